# SPDX-License-Identifier: BSD-2-Clause
# bash completion for panicctl(1)

# The ids of the groups.
_panicctl_groups() {
    "${COMP_WORDS[0]}" "$@" groups 2>/dev/null | awk 'NR > 1 && $1 ~ /^[0-9a-f]{12}$/ { print $1 }'
}

# The numbers of the dumps in the directory that the command line names.
_panicctl_ids() {
    "${COMP_WORDS[0]}" "$@" list 2>/dev/null | awk 'NR > 1 && $1 ~ /^[0-9]+$/ { print $1 }'
    echo latest
}

_panicctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local verbs="status list info log map debug watch verify export pack extract import receive rm groups note vacuum bootargs setup message doctor help"
    local verb="" i
    local -a directory=()

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -D | --directory)
            directory=(--directory "${COMP_WORDS[i + 1]}")
            ((i++))
            ;;
        -*) ;;
        *)
            verb=${COMP_WORDS[i]}
            break
            ;;
        esac
    done

    case $prev in
    -D | --directory)
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return
        ;;
    -o | --output)
        if [[ $verb == extract ]]; then
            mapfile -t COMPREPLY < <(compgen -d -- "$cur")
            return
        fi
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    -n) [[ $verb == vacuum ]] || return ;;
    --group)
        mapfile -t COMPREPLY < <(compgen -W "$(_panicctl_groups "${directory[@]}")" -- "$cur")
        return
        ;;
    --png | --symbols | --private-key | --passphrase-file | --key-blob)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    --debugger)
        mapfile -t COMPREPLY < <(compgen -W "lldb gdb crash drgn kgdb" -- "$cur")
        return
        ;;
    --keep | --older-than | --bytes | --count | --name | --note | --xnu | --server | --interface | --port | --client | --gateway | --release | --as-client) return ;;
    --for)
        mapfile -t COMPREPLY < <(compgen -W "macos freebsd linux" -- "$cur")
        return
        ;;
    --arch)
        mapfile -t COMPREPLY < <(compgen -W "x86_64 arm64" -- "$cur")
        return
        ;;
    esac

    local words="--json --help"
    case $verb in
    "") words="--directory --json --help --version $verbs" ;;
    help) words=$verbs ;;
    watch) words+=" --count --until-idle" ;;
    list) words+=" --group" ;;
    note) words+=" --remove" ;;
    vacuum) words+=" --keep --older-than --bytes --dry-run" ;;
    bootargs)
        case " ${COMP_WORDS[*]:i:COMP_CWORD-i} " in
        *" encode "*)
            words+=" --xnu --arch --network --local --on-panic --on-nmi --reboot --stay --paniclog"
            words+=" --keys --no-gzip --keepsyms --server --interface --port"
            ;;
        *" decode "* | *" lint "*) words+=" --xnu --arch" ;;
        *) [[ $cur == -* ]] || words="decode lint encode" ;;
        esac
        ;;
    info) words+=" --all" ;;
    log) words+=" --symbols --force --raw" ;;
    map) words+=" --png --force" ;;
    debug) words+=" --symbols --debugger --print --keep" ;;
    export) words+=" --output --decompress --elf --force --private-key --passphrase-file --key-blob" ;;
    setup)
        words+=" --for --server --interface --port --client --gateway --release --arch --on-nmi"
        words+=" --paniclog-only --local --stay --brief"
        ;;
    doctor) words+=" --as-client --port" ;;
    extract) words+=" --output --list --force --private-key --passphrase-file" ;;
    pack) words+=" --output --log-only --key --note --force" ;;
    import) words+=" --name --move --keep-form" ;;
    receive)
        words+=" --name --keep-form --dump-bytes --floor --listen --config --plain --tls-certificate --tls-key"
        words+=" --clients --senders --idle"
        ;;
    esac
    if [[ $cur != -* ]]; then
        case $verb in
        info | log | map | debug | verify | export | pack | rm) words=$(_panicctl_ids "${directory[@]}") ;;
        groups) words=$(_panicctl_groups "${directory[@]}") ;;
        note) words="$(_panicctl_groups "${directory[@]}") $(_panicctl_ids "${directory[@]}")" ;;
        message) words="test" ;;
        status | list | watch | extract | import | receive | setup | doctor | vacuum) words="" ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    if [[ " info log map debug verify export extract pack import " == *" $verb "* && $verb && $cur != -* ]]; then
        local -a files
        mapfile -t files < <(compgen -f -- "$cur")
        COMPREPLY+=("${files[@]}")
    fi
}

complete -F _panicctl panicctl
