# SPDX-License-Identifier: BSD-2-Clause
# fish completion for panicctl(1)
set -l verbs status list info watch verify export extract rm bootargs setup groups note vacuum help

function __panicctl_ids
    panicctl list 2>/dev/null | string match -r '^ *[0-9]+' | string trim
    echo latest
end

function __panicctl_groups
    panicctl groups 2>/dev/null | string match -r '^[0-9a-f]{12}'
end

complete -c panicctl -f
complete -c panicctl -s D -l directory -x -a '(__fish_complete_directories)' -d 'The directory of dumps'
complete -c panicctl -s j -l json -d 'Write JSON'
complete -c panicctl -s h -l help -d 'Say how it is used'
complete -c panicctl -n "not __fish_seen_subcommand_from $verbs" -s V -l version -d 'Say which version this is'
complete -c panicctl -n "not __fish_seen_subcommand_from $verbs" -a status -d 'Is a server listening'
complete -c panicctl -n "not __fish_seen_subcommand_from $verbs" -a list -d 'The dumps'
complete -c panicctl -n "not __fish_seen_subcommand_from $verbs" -a info -d 'All that is known of a dump'
complete -c panicctl -n "not __fish_seen_subcommand_from $verbs" -a watch -d 'See dumps arrive'
complete -c panicctl -n "not __fish_seen_subcommand_from $verbs" -a verify -d 'Is a dump whole'
complete -c panicctl -n "not __fish_seen_subcommand_from $verbs" -a export -d 'Copy a dump out'
complete -c panicctl -n "not __fish_seen_subcommand_from $verbs" -a extract -d 'Take a dump out of a disk'
complete -c panicctl -n "not __fish_seen_subcommand_from $verbs" -a rm -d 'Remove dumps'
complete -c panicctl -n "not __fish_seen_subcommand_from $verbs" -a bootargs -d 'What boot-args do'
complete -c panicctl -n "not __fish_seen_subcommand_from $verbs" -a setup -d 'What to type on the other machine'
complete -c panicctl -n "not __fish_seen_subcommand_from $verbs" -a groups -d 'The same panic, over machines and time'
complete -c panicctl -n "not __fish_seen_subcommand_from $verbs" -a note -d 'What is known about a panic'
complete -c panicctl -n "not __fish_seen_subcommand_from $verbs" -a vacuum -d 'Remove old dumps'
complete -c panicctl -n "not __fish_seen_subcommand_from $verbs" -a help -d 'What there is'
complete -c panicctl -n '__fish_seen_subcommand_from info verify export rm' -a '(__panicctl_ids)'
complete -c panicctl -n '__fish_seen_subcommand_from verify' -F
complete -c panicctl -n '__fish_seen_subcommand_from groups note' -a '(__panicctl_groups)'
complete -c panicctl -n '__fish_seen_subcommand_from note' -a '(__panicctl_ids)'
complete -c panicctl -n '__fish_seen_subcommand_from note' -l remove -d 'Take the note away'
complete -c panicctl -n '__fish_seen_subcommand_from list' -l group -x -a '(__panicctl_groups)' -d 'Only those of it'
complete -c panicctl -n '__fish_seen_subcommand_from vacuum' -l keep -x -d 'At most N dumps'
complete -c panicctl -n '__fish_seen_subcommand_from vacuum' -l older-than -x -d 'None that ended longer ago'
complete -c panicctl -n '__fish_seen_subcommand_from vacuum' -l bytes -x -d 'At most so many bytes'
complete -c panicctl -n '__fish_seen_subcommand_from vacuum' -s n -l dry-run -d 'Only say what would go'
complete -c panicctl -n '__fish_seen_subcommand_from watch' -s n -l count -x -d 'End after N dumps'
complete -c panicctl -n '__fish_seen_subcommand_from watch' -l until-idle -d 'End when nothing is arriving'
complete -c panicctl -n '__fish_seen_subcommand_from export' -s o -l output -r -F -d 'Where to'
complete -c panicctl -n '__fish_seen_subcommand_from export' -s d -l decompress -d 'Undo gzip'
complete -c panicctl -n '__fish_seen_subcommand_from export' -s f -l force -d 'Replace the file'
complete -c panicctl -n '__fish_seen_subcommand_from bootargs; and not __fish_seen_subcommand_from decode lint encode' -a 'decode lint encode'
complete -c panicctl -n '__fish_seen_subcommand_from bootargs' -l xnu -x -d 'As that train reads it'
complete -c panicctl -n '__fish_seen_subcommand_from bootargs' -l arch -x -a 'x86_64 arm64' -d 'For that machine'
complete -c panicctl -n '__fish_seen_subcommand_from encode' -l network -d 'Send it'
complete -c panicctl -n '__fish_seen_subcommand_from encode' -l local -d 'To the disk'
complete -c panicctl -n '__fish_seen_subcommand_from encode' -l on-panic -d 'On a panic'
complete -c panicctl -n '__fish_seen_subcommand_from encode' -l on-nmi -d 'On an NMI'
complete -c panicctl -n '__fish_seen_subcommand_from encode' -l reboot -d 'Then restart'
complete -c panicctl -n '__fish_seen_subcommand_from encode' -l stay -d 'Then stay'
complete -c panicctl -n '__fish_seen_subcommand_from encode' -l paniclog -d 'The panic log, no core'
complete -c panicctl -n '__fish_seen_subcommand_from encode' -l keys -d 'c and r end the wait'
complete -c panicctl -n '__fish_seen_subcommand_from encode' -l no-gzip -d 'Send it plain'
complete -c panicctl -n '__fish_seen_subcommand_from encode' -l keepsyms -d 'Backtraces with names'
complete -c panicctl -n '__fish_seen_subcommand_from encode' -l server -x -d 'Who gets it'
complete -c panicctl -n '__fish_seen_subcommand_from encode' -l interface -x -d 'To send with'
complete -c panicctl -n '__fish_seen_subcommand_from encode' -l port -x -d 'UDP port'
complete -c panicctl -n '__fish_seen_subcommand_from extract' -F
complete -c panicctl -n '__fish_seen_subcommand_from extract' -s o -l output -x -a '(__fish_complete_directories)' -d 'Where the files go'
complete -c panicctl -n '__fish_seen_subcommand_from extract' -s l -l list -d 'Only say what is there'
complete -c panicctl -n '__fish_seen_subcommand_from extract' -s f -l force -d 'Replace files'
complete -c panicctl -n '__fish_seen_subcommand_from setup' -l for -x -a 'macos freebsd linux' -d 'What it runs'
complete -c panicctl -n '__fish_seen_subcommand_from setup' -l server -x -d 'Who receives'
complete -c panicctl -n '__fish_seen_subcommand_from setup' -l interface -x -d 'To send with'
complete -c panicctl -n '__fish_seen_subcommand_from setup' -l port -x -d 'UDP port'
complete -c panicctl -n '__fish_seen_subcommand_from setup' -l client -x -d 'Its address'
complete -c panicctl -n '__fish_seen_subcommand_from setup' -l gateway -x -d 'The router'
complete -c panicctl -n '__fish_seen_subcommand_from setup' -l release -x -d 'Of its system'
complete -c panicctl -n '__fish_seen_subcommand_from setup' -l arch -x -a 'x86_64 arm64' -d 'Of a Mac'
complete -c panicctl -n '__fish_seen_subcommand_from setup' -l on-nmi -d 'An NMI dumps, too'
complete -c panicctl -n '__fish_seen_subcommand_from setup' -l paniclog-only -d 'No memory'
complete -c panicctl -n '__fish_seen_subcommand_from setup' -l local -d 'To its disk'
complete -c panicctl -n '__fish_seen_subcommand_from setup' -l stay -d 'Do not restart'
complete -c panicctl -n '__fish_seen_subcommand_from setup' -l brief -d 'Only the commands'
complete -c panicctl -n '__fish_seen_subcommand_from help' -a "$verbs"
