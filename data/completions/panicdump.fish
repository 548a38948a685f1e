# SPDX-License-Identifier: BSD-2-Clause
# fish completion for panicdump(8)

complete -c panicdump -f
complete -c panicdump -n __fish_use_subcommand -a arm -d 'A panic sends the memory of this machine'
complete -c panicdump -n __fish_use_subcommand -a disarm -d 'Take that back'
complete -c panicdump -n __fish_use_subcommand -a status -d 'Is it armed, would a dump arrive'
complete -c panicdump -n __fish_use_subcommand -a test -d 'Send a small dump'
complete -c panicdump -n __fish_use_subcommand -a send -d 'Send a file'
complete -c panicdump -n __fish_use_subcommand -a capture -d 'In a crash kernel'
complete -c panicdump -l help -d 'What there is'
complete -c panicdump -n __fish_use_subcommand -l version

set -l sends '__fish_seen_subcommand_from arm test send'
complete -c panicdump -n $sends -l server -x -a '(__fish_print_hostnames)' -d 'Where panicd runs'
complete -c panicdump -n $sends -l port -x -d 'UDP port'
complete -c panicdump -n '__fish_seen_subcommand_from arm test' -l interface -x \
    -a '(__fish_print_interfaces)' -d 'Send through it'

set -l arm '__fish_seen_subcommand_from arm'
complete -c panicdump -n $arm -l filter -x -d 'Leave pages out'
complete -c panicdump -n $arm -l makedumpfile -d 'By that program'
complete -c panicdump -n $arm -l on-nmi -d 'An NMI panics, too'
complete -c panicdump -n $arm -l reboot -d 'After the dump'
complete -c panicdump -n $arm -l poweroff -d 'After the dump'
complete -c panicdump -n $arm -l shell -d 'After the dump'
complete -c panicdump -n $arm -l also-local -r -F -d 'When no server takes it'
complete -c panicdump -n '__fish_seen_subcommand_from arm disarm' -l persist -d 'At each boot, too'
complete -c panicdump -n '__fish_seen_subcommand_from arm disarm' -l force -d 'All the same'
complete -c panicdump -n $arm -l kernel -r -F -d 'The image'
complete -c panicdump -n $arm -l append -x -d 'To its command line'
complete -c panicdump -n $arm -s n -l dry-run -d 'Only show'
complete -c panicdump -n $arm -l initramfs -r -F -d 'Write it'

complete -c panicdump -n '__fish_seen_subcommand_from status' -l json -d 'One object'
complete -c panicdump -n '__fish_seen_subcommand_from test' -l crash -d 'Panic this machine'
complete -c panicdump -n '__fish_seen_subcommand_from test' -l yes-really -d 'Do not ask'

set -l send '__fish_seen_subcommand_from send'
complete -c panicdump -n $send -F
complete -c panicdump -n $send -l name -x -d 'On the server'
complete -c panicdump -n $send -l compress -x -a 'auto zstd lz4 gzip none' -d 'On the way'
complete -c panicdump -n $send -l gzip -d 'Compress with gzip'
complete -c panicdump -n $send -l no-sparse -d 'Zeros as well'
complete -c panicdump -n $send -l resume -d 'Where it was interrupted'
complete -c panicdump -n $send -l window -x -d 'Most on its way'
complete -c panicdump -n $send -l plain -d 'Apple\'s protocol only'
complete -c panicdump -n $send -l protocol -x -a 'apple netdump' -d 'Which the server speaks'
complete -c panicdump -n $send -l path -x -d 'Of netdump: the directory there'
complete -c panicdump -n $send -s q -l quiet -d 'No progress'
complete -c panicdump -n '__fish_seen_subcommand_from capture' -l cmdline -x -d 'Options'
