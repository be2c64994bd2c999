complete -c fovea -f -n __fish_use_subcommand -l version -d 'prints the version'
complete -c fovea -n "__fish_seen_subcommand_from $__fovea_overrides" -a "$__fovea_fields"
complete -c fovea -f -n '__fish_seen_subcommand_from help' -a "$__fovea_lists (string replace -r '=.*' '' $__fovea_fields)"
