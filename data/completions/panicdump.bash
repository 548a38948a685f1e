# SPDX-License-Identifier: BSD-2-Clause
# bash completion for panicdump(8)

_panicdump()
{
    local cur prev words cword
    _init_completion || return

    case $prev in
    --interface)
        _available_interfaces
        return
        ;;
    --server)
        _known_hosts_real -- "$cur"
        return
        ;;
    --port | --name | --cmdline)
        return
        ;;
    esac

    if ((cword == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "send test capture --help --version" -- "$cur")
        return
    fi

    case ${words[1]} in
    send)
        if [[ $cur == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W \
                "--server --port --name --gzip --no-sparse --quiet --help" -- "$cur")
        else
            _filedir
        fi
        ;;
    test)
        mapfile -t COMPREPLY < <(compgen -W "--server --port --interface --help" -- "$cur")
        ;;
    capture)
        mapfile -t COMPREPLY < <(compgen -W "--cmdline --help" -- "$cur")
        ;;
    esac
} &&
    complete -F _panicdump panicdump
