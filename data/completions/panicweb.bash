# SPDX-License-Identifier: BSD-2-Clause
# bash completion for panicweb(8)

_panicweb()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    case $prev in
    --password-file | --token-file | --certificate | --key)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    -a | --address)
        mapfile -t COMPREPLY < <(compgen -W "127.0.0.1 ::1 0.0.0.0 ::" -- "$cur")
        return
        ;;
    --symbols)
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return
        ;;
    -p | --port | --name) return ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "--address --port --password-file --token-file
            --certificate --key --name --symbols --verbose --quiet --help --version" -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
    fi
} && complete -o filenames -F _panicweb panicweb
