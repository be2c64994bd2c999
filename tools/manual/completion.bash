
# Answers with the words of $1 that begin with $2. readline replaces what stands behind the last '='.
__fovea_answer() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

# Values of an option: what it takes, and what is typed of it.
__fovea_argument() {
    case $1 in
    file) mapfile -t COMPREPLY < <(compgen -f -- "$2") && compopt -o filenames 2>/dev/null ;;
    folder) mapfile -t COMPREPLY < <(compgen -d -- "$2") && compopt -o filenames 2>/dev/null ;;
    choice*) __fovea_answer "${1#choice }" "$2" ;;
    esac
}

# The posts of `reproduce`: folders of experiments, looked for where the tool looks for them.
__fovea_posts() {
    local program root folder
    program=$(readlink -f "$(type -P fovea)" 2>/dev/null)
    for root in "${FOVEA_EXPERIMENTS:-}" experiments "${program%/*}/../experiments" \
        "${program%/*}/../share/fovea/experiments"; do
        [[ -n $root && -d $root ]] || continue
        for folder in "$root"/*/; do
            folder=${folder%/}
            [[ ! -d $folder ]] || echo "${folder##*/}"
        done
        return
    done
}

__fovea_operand() { # verb, what is typed
    local words
    words=$(__fovea_operands "$1")
    [ "$1" != help ] || words="$words $__fovea_verbs $__fovea_lists $__fovea_fields"
    [ "$1" != reproduce ] || words="$words $(__fovea_posts)"
    __fovea_answer "$words" "$2"
    local fields=() files=()
    if [[ $__fovea_overrides == *" $1 "* && -n $2 ]]; then
        mapfile -t fields < <(compgen -S = -W "$__fovea_fields" -- "$2")
    fi
    [[ $__fovea_files != *" $1 "* ]] || mapfile -t files < <(compgen -f -- "$2")
    COMPREPLY+=("${fields[@]}" "${files[@]}")
    # readline quotes what it takes for names of files, the '=' behind a field too.
    if ((${#fields[@]} > 0)); then
        compopt -o nospace 2>/dev/null
    elif ((${#files[@]} > 0)); then
        compopt -o filenames 2>/dev/null
    fi
}

_fovea() {
    local line=${COMP_LINE:0:COMP_POINT} words typed=
    COMPREPLY=()
    read -ra words <<<"$line"
    if [[ $line != *[[:space:]] ]]; then
        typed=${words[-1]}
        unset 'words[-1]'
    fi
    local last=$((${#words[@]} - 1))
    local verb=${words[1]-} before=${words[last < 0 ? 0 : last]-}
    if ((last < 1)); then
        __fovea_answer "$__fovea_verbs --help --version" "$typed"
    elif [[ $typed == --*=* ]]; then
        __fovea_argument "$(__fovea_takes "$verb ${typed%%=*}")" "${typed#*=}"
    elif [[ -n $(__fovea_takes "$verb $before") ]]; then
        __fovea_argument "$(__fovea_takes "$verb $before")" "$typed"
    elif [[ $typed == -* ]]; then
        __fovea_answer "$(__fovea_options "$verb")" "$typed"
    elif [[ $typed == *=* ]]; then
        __fovea_answer "$(__fovea_values "${typed%%=*}")" "${typed#*=}"
    else
        __fovea_operand "$verb" "$typed"
    fi
    return 0
}
complete -F _fovea fovea
