package main

import (
	"fmt"
	"strings"
)

// bashScript completes by a function that reads the line up to the cursor.
func bashScript() string {
	words, _ := firsts()
	var b strings.Builder
	fmt.Fprintf(&b, bashHead, shellQuoteAll(words))
	for _, g := range groups() {
		fmt.Fprintf(&b, "        %s) words=(%s) ;;\n", g.name, shellQuoteAll(g.seconds()))
	}
	b.WriteString(bashFlags)
	cases(&b, alike(func(c *command) []string {
		var typed []string
		for _, f := range c.allFlags() {
			typed = append(typed, f.typed()...)
		}
		return []string{fmt.Sprintf("        flags=(%s)\n        values=(%s)\n", shellQuoteAll(typed), shellQuoteAll(takesValue(c)))}
	}))
	b.WriteString(bashOffers)
	cases(&b, alike(func(c *command) []string {
		var b strings.Builder
		say := func(pattern string, offers []string) {
			if len(offers) > 0 {
				fmt.Fprintf(&b, "            %s) offers=(%s) ;;\n", pattern, shellQuoteAll(offers))
			}
		}
		for _, f := range c.allFlags() {
			if f.value != "" {
				say(strings.Join(f.typed(), " | "), f.offers())
			}
		}
		for i, o := range c.operands() {
			pattern := fmt.Sprint(i + 1)
			if o.many {
				pattern = "[0-9]*"
			}
			say(pattern, offers(o.text))
		}
		if b.Len() == 0 {
			return nil
		}
		return []string{"        case $2 in\n" + b.String() + "        esac\n"}
	}))
	b.WriteString(bashTail)
	return b.String()
}

// cases writes the branches of a case, without its end.
func cases(b *strings.Builder, list []likeness) {
	for _, l := range list {
		var names []string
		for _, n := range l.names {
			names = append(names, shellQuoteAll([]string{n}))
		}
		fmt.Fprintf(b, "    %s)\n%s        ;;\n", strings.Join(names, " | "), l.text)
	}
}

const bashHead = `# Completion of cove for bash; made by: cove completion bash

# Sets words to the commands, or with $1, to what can follow that one.
__cove_commands() {
    case $1 in
        '') words=(%s) ;;
`

const bashFlags = `        *) words=() ;;
    esac
}

# Sets flags to the flags of the command $1, and values to those that a value follows.
__cove_flags() {
    flags=() values=()
    case $1 in
`

const bashOffers = `    esac
}

# Sets offers to what the command $1 takes after the flag $2, or as argument number $2: words, or in capitals what they
# are names of.
__cove_offers() {
    offers=()
    case $1 in
`

const bashTail = `    esac
}

# Names from cove, a line each, into the array names. Nothing here is evaluated.
__cove_names() {
    local line
    names=()
    while IFS= read -r line; do
        names+=("${line%%$'\t'*}")
    done < <(command cove _complete "$1" 2>/dev/null)
}

# Adds to COMPREPLY those of the words that can stand where value is typed, quoted for the shell. Within quotes only
# plain words are added, as quoting is another there.
__cove_reply() {
    local word quoted
    for word; do
        printf -v quoted %q "$word"
        case $value in
            [\"\']*) [[ $word == "$quoted" && $word == "${value:1}"* ]] && COMPREPLY+=("$word") ;;
            *) [[ $quoted == "$value"* || $word == "$value"* ]] && COMPREPLY+=("$quoted") ;;
        esac
    done
}

_cove() {
    local IFS=$' \t\n'
    local -a typed=() at=() words=() names=() flags=() values=() offers=() args=()
    local line=${COMP_LINE:0:COMP_POINT} word i

    # The words up to the cursor, whole where readline has cut them at = : and @; at is where each begins in COMP_WORDS.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i == 0)) || [[ $line == [[:space:]]* ]]; then
            typed+=('') at+=("$i")
            line=${line#"${line%%[![:space:]]*}"}
        fi
        [[ $line == "$word"* ]] || word=$line
        typed[${#typed[@]}-1]+=$word
        line=${line#"$word"}
    done
    local last=$((${#typed[@]} - 1)) command='' known='' ended='' flag='' value=''
    local cur=${typed[last]}

    COMPREPLY=()
    for ((i = 1; i <= last; i++)); do
        word=${typed[i]}
        if [[ ! $known ]]; then
            [[ $word == -* ]] && continue
            if ((i == last)); then
                value=$cur
                __cove_commands "$command"
                __cove_reply "${words[@]}"
                return
            fi
            command+=${command:+ }$word
            __cove_commands "$command"
            ((${#words[@]})) || known=1
            __cove_flags "$command"
        elif [[ $flag ]]; then
            ((i == last)) || flag=
        elif [[ $word == -?* && ! $ended ]]; then
            ((i == last)) && break
            case $word in
                --) ended=1 ;;
                --*) [[ " ${values[*]} " != *" $word "* ]] || flag=$word ;;
                *) # several in one word, the last of which may want a value
                    while word=${word:1} && [[ $word ]]; do
                        if [[ " ${values[*]} " == *" -${word:0:1} "* ]]; then
                            ((${#word} > 1)) || flag=-$word
                            break
                        fi
                    done
                    ;;
            esac
        else
            __cove_offers "$command" $((${#args[@]} + 1))
            if [[ ${offers[0]-} == PROGRAM ]]; then
                __cove_program "${at[i]}"
                return
            fi
            ((i == last)) || args+=("$word")
        fi
    done

    value=$cur
    if [[ $flag ]]; then
        __cove_offers "$command" "$flag"
    elif [[ $cur == --*=* && ! $ended ]]; then
        value=${cur#*=}
        __cove_offers "$command" "${cur%%=*}"
    elif [[ $cur == -* && ! $ended ]]; then
        [[ $known ]] || flags=(--help --version)
        offers=("${flags[@]}")
    fi

    local -a literal=()
    for word in "${offers[@]}"; do
        case $word in
            BOX) __cove_names boxes && __cove_reply "${names[@]}" ;;
            BOX:PATH)
                __cove_names boxes && __cove_reply "${names[@]/%/:}"
                compopt -o nospace 2>/dev/null
                ;;
            PROFILE)
                # What has a / in it is a file.
                [[ $value == */* ]] || { __cove_names profiles && __cove_reply "${names[@]}"; }
                ;;
            VAR) mapfile -t names < <(compgen -e) && __cove_reply "${names[@]}" ;;
            COMMAND)
                __cove_commands "${args[*]}"
                __cove_reply "${words[@]}"
                ;;
            FILE) compopt -o default 2>/dev/null ;; # readline's own, where nothing else fits
            DIR) compopt -o dirnames 2>/dev/null ;;
            *) literal+=("$word") ;;
        esac
    done
    __cove_reply "${literal[@]}"

    # Readline replaces what is behind the last of its separators only, unless there is a quote before it.
    [[ $value == [\"\']* ]] && return
    local before=${cur%"$value"} cut=''
    for word in = : @; do
        [[ $COMP_WORDBREAKS == *"$word"* && $cur == *"$word"* ]] || continue
        word=${cur%"$word"*}$word
        ((${#word} > ${#cut})) && cut=$word
    done
    for i in "${!COMPREPLY[@]}"; do
        word=$before${COMPREPLY[i]}
        COMPREPLY[i]=${word#"$cut"}
    done
}

# The program that begins at word $1, completed as if it stood alone.
__cove_program() {
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif ((COMP_CWORD == $1)); then
        mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
        compopt -o filenames -o default 2>/dev/null
    else
        compopt -o bashdefault -o default 2>/dev/null
    fi
}

complete -F _cove cove
`
