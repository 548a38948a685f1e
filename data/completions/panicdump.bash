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
    --also-local | --kernel | --initramfs)
        _filedir
        return
        ;;
    --compress)
        mapfile -t COMPREPLY < <(compgen -W "auto zstd lz4 gzip none" -- "$cur")
        return
        ;;
    --protocol)
        mapfile -t COMPREPLY < <(compgen -W "apple netdump" -- "$cur")
        return
        ;;
    --path | --port | --name | --cmdline | --filter | --append)
        return
        ;;
    esac

    if ((cword == 1)); then
        mapfile -t COMPREPLY < <(compgen -W \
            "arm disarm status test send capture --help --version" -- "$cur")
        return
    fi

    case ${words[1]} in
    arm)
        mapfile -t COMPREPLY < <(compgen -W "--server --port --interface --filter \
            --makedumpfile --on-nmi --reboot --poweroff --shell --also-local --persist --force --kernel --append \
            --dry-run --initramfs --help" -- "$cur")
        ;;
    disarm)
        mapfile -t COMPREPLY < <(compgen -W "--persist --force --help" -- "$cur")
        ;;
    status)
        mapfile -t COMPREPLY < <(compgen -W "--json --help" -- "$cur")
        ;;
    send)
        if [[ $cur == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W \
                "--server --port --name --compress --gzip --no-sparse --resume --window --plain \
                 --protocol --path --quiet --help" -- "$cur")
        else
            _filedir
        fi
        ;;
    test)
        mapfile -t COMPREPLY < <(compgen -W \
            "--server --port --interface --crash --yes-really --help" -- "$cur")
        ;;
    capture)
        mapfile -t COMPREPLY < <(compgen -W "--cmdline --help" -- "$cur")
        ;;
    esac
} &&
    complete -F _panicdump panicdump
