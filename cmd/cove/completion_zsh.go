package main

import (
	"fmt"
	"strings"
)

// zshScript completes by _arguments, after it has found the command.
func zshScript() string {
	var b strings.Builder
	b.WriteString(zshHead)
	words, docs := firsts()
	b.WriteString("    '')\n      known=(\n")
	for i := range words {
		fmt.Fprintf(&b, "        %s\n", shellQuote(words[i]+":"+docs[i]))
	}
	b.WriteString("      ) ;;\n")
	for _, g := range groups() {
		fmt.Fprintf(&b, "    %s)\n      known=(\n", g.name)
		for i, second := range g.seconds() {
			fmt.Fprintf(&b, "        %s\n", shellQuote(second+":"+g.members[i].short))
		}
		b.WriteString("      ) ;;\n")
	}
	b.WriteString(zshMain)
	cases(&b, alike(func(c *command) []string {
		specs := []string{}
		for _, f := range c.allFlags() {
			specs = append(specs, f.zsh()...)
		}
		for i, o := range c.operands() {
			specs = append(specs, o.zsh(i+1)...)
		}
		return []string{"      specs=(\n        " + strings.Join(specs, "\n        ") + "\n      )\n"}
	}))
	b.WriteString(zshTail)
	return b.String()
}

// zsh is the flag as _arguments wants it: '*--ro=[let it in]:PATH: __cove_offer FILE'.
func (f flag) zsh() (specs []string) {
	doc := "[" + zshEscape(f.help, `\[]`) + "]"
	if f.value == "" {
		for _, typed := range f.typed() {
			if typed == "--"+f.no {
				doc = "[" + zshEscape(f.off(), `\[]`) + "]"
			}
			specs = append(specs, shellQuote("*"+typed+doc))
		}
		return specs
	}
	value := zshValue(f.value, f.offers())
	for _, typed := range f.typed() {
		joined := "=" // --name=value, --name value
		if len(typed) == 2 {
			joined = "+" // -nvalue, -n value
		}
		specs = append(specs, shellQuote("*"+typed+joined+doc+value))
	}
	return specs
}

func (o operand) zsh(number int) []string {
	switch list := offers(o.text); {
	case o.isProgram():
		// Flags end here; the rest is a command line of its own.
		return []string{shellQuote(fmt.Sprintf("(-)%d:%s: _command_names -e", number, zshEscape(o.text, `\:`))), shellQuote("*::argument: _normal")}
	case o.text == "ARGS":
		return nil
	case o.many:
		return []string{shellQuote("*" + zshValue(o.text, list))}
	default:
		return []string{shellQuote(fmt.Sprint(number) + zshValue(o.text, list))}
	}
}

// zshValue is what a value is called, and how it is completed.
func zshValue(name string, offers []string) string {
	value := ":" + zshEscape(name, `\:`) + ":"
	if len(offers) == 0 {
		return value
	}
	return value + " __cove_offer " + strings.Join(offers, " ")
}

func zshEscape(s, special string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(special, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

const zshHead = `#compdef cove
# Completion of cove for zsh; made by: cove completion zsh

# The commands, or with $1, what can follow that one, into the array known.
__cove_commands() {
  known=()
  case $1 in
`

const zshMain = `  esac
}

# Completes names and words: in small letters themselves, in capitals what they are names of. Names from cove are a
# line each, and nothing in them is evaluated.
__cove_offer() {
  local offer ret=1
  local -a names docs known literal expl
  for offer; do
    case $offer in
    BOX)
      names=("${(@f)$(command cove _complete boxes 2>/dev/null)}") names=("${(@)names:#}")
      _wanted boxes expl box compadd -a names && ret=0 ;;
    BOX:PATH)
      names=("${(@f)$(command cove _complete boxes 2>/dev/null)}") names=("${(@)names:#}")
      _wanted boxes expl box compadd -S : -a names && ret=0 ;;
    PROFILE)
      names=("${(@f)$(command cove _complete profiles 2>/dev/null)}") names=("${(@)names:#}")
      docs=("${(@)names/$'\t'/  -- }") names=("${(@)names%%$'\t'*}")
      _wanted profiles expl profile compadd -l -d docs -a names && ret=0 ;;
    COMMAND)
      __cove_commands "${(j: :)${(@)words[2,CURRENT-1]:#-*}}"
      (( $#known )) && _describe -t commands command known && ret=0 ;;
    FILE) _files && ret=0 ;;
    DIR) _path_files -/ && ret=0 ;;
    VAR) _parameters -g '*export*' && ret=0 ;;
    *) literal+=("$offer") ;;
    esac
  done
  (( $#literal )) && _wanted values expl value compadd -a literal && ret=0
  return ret
}

_cove() {
  local curcontext="$curcontext" command context state state_descr
  local -a known specs line
  local -A opt_args
  integer i=2

  while (( i < CURRENT )) && [[ $words[i] == -* ]]; do (( i++ )); done
  command=
  while __cove_commands "$command"; (( $#known )); do
    if (( i >= CURRENT )); then
      if [[ $words[CURRENT] == -* ]]; then
        _arguments '(-h --help)'{-h,--help}'[show the commands]' '(-V --version)'{-V,--version}'[show the version]'
      else
        _describe -t commands command known
      fi
      return
    fi
    command+=${command:+ }$words[i]
    (( i++ ))
  done
  # From here on the command's last word is the program, as _arguments sees it.
  (( i -= 2 ))
  shift $i words
  (( CURRENT -= i ))
  curcontext="${curcontext%:*:*}:cove-${command// /-}:"

  case $command in
`

const zshTail = `    *) return 1 ;;
  esac
  _arguments -s -S : "${specs[@]}"
}

if [[ $funcstack[1] == _cove ]]; then
  _cove "$@"
else
  compdef _cove cove
fi
`
