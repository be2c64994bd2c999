
__fovea_operand() {
    local verb=$1
    if [[ $PREFIX == *=* ]]; then
        local -a values=(${=$(__fovea_values ${PREFIX%%=*})})
        compset -P '*='
        compadd -a values
        return
    fi
    local -a operands=(${=$(__fovea_operands $verb)})
    [[ $verb != help ]] || operands+=(${__fovea_verbs%%:*} ${=__fovea_lists} ${=__fovea_fields})
    compadd -a operands
    if [[ $__fovea_overrides == *" $verb "* ]]; then
        local -a fields=(${=__fovea_fields})
        compadd -S = -a fields
    fi
    [[ $__fovea_files != *" $verb "* ]] || _files
}

_fovea() {
    if (( CURRENT == 2 )); then
        _describe verb __fovea_verbs
        compadd -- --help --version
        return
    fi
    local verb=$words[2]
    local -a reply
    __fovea_options $verb
    shift words
    (( CURRENT-- ))
    _arguments $reply "*: : __fovea_operand $verb" # the blank: called with these words only
}

if [[ $funcstack[1] == _fovea ]]; then
    _fovea "$@"
else
    compdef _fovea fovea
fi
