# SPDX-License-Identifier: BSD-2-Clause
# fish completion for panicweb(8)
complete -c panicweb -f -a '(__fish_complete_directories)'
complete -c panicweb -s a -l address -x -a '127.0.0.1 ::1 0.0.0.0 ::' -d 'Listen on this address'
complete -c panicweb -s p -l port -x -d 'TCP port'
complete -c panicweb -l password-file -r -F -d 'Who may look'
complete -c panicweb -l token-file -r -F -d 'The same by tokens'
complete -c panicweb -l certificate -r -F -d 'HTTPS, with this certificate'
complete -c panicweb -l key -r -F -d 'And its private key'
complete -c panicweb -l name -x -d 'Another name of this page'
complete -c panicweb -s v -l verbose -d 'Log more'
complete -c panicweb -s q -l quiet -d 'Log warnings and errors only'
complete -c panicweb -s h -l help -d 'Show help'
complete -c panicweb -s V -l version -d 'Show the version'
