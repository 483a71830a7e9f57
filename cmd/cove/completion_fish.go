package main

import (
	"fmt"
	"strings"
)

// fishScript says to fish what can stand where; the conditions look at the line up to the cursor.
func fishScript() string {
	var b, lines strings.Builder
	words, docs := firsts()
	branch := func(name, answer string) { fmt.Fprintf(&b, "        case %s\n            %s\n", name, answer) }
	b.WriteString(fishHead)
	branch("''", "printf '%s\\n' "+strings.Join(words, " "))
	for i := range words {
		fmt.Fprintf(&lines, "complete -c cove -n __cove_at -a %s -d %s\n", words[i], fishQuote(docs[i]))
	}
	lines.WriteString("complete -c cove -n __cove_at -s h -l help -d 'show the commands'\n")
	lines.WriteString("complete -c cove -n __cove_at -s V -l version -d 'show the version'\n")
	for _, g := range groups() {
		branch(g.name, "printf '%s\\n' "+strings.Join(g.seconds(), " "))
		for i, second := range g.seconds() {
			fmt.Fprintf(&lines, "complete -c cove -n '__cove_at %s' -a %s -d %s\n", g.name, second, fishQuote(g.members[i].short))
		}
	}
	b.WriteString(fishValues)
	for _, l := range alike(func(c *command) []string { return []string{strings.Join(takesValue(c), " ")} }) {
		if l.text != "" {
			branch(fishQuoteAll(l.names), "printf '%s\\n' "+l.text)
		}
	}
	b.WriteString(fishPrograms)
	for _, c := range shown() {
		for i, o := range c.operands() {
			if o.isProgram() {
				branch(fishQuote(c.name), "echo "+fmt.Sprint(i))
			}
		}
	}
	b.WriteString(fishMain + lines.String())
	for _, l := range alike(fishLines) {
		b.WriteString(strings.ReplaceAll(l.text, "\x00", fishQuoteAll(l.names)))
	}
	return b.String()
}

// fishLines are the lines about a command, in which NUL is where its name goes.
func fishLines(c *command) (lines []string) {
	flag := func(short, long, arguments, doc string) {
		lines = append(lines, `complete -c cove -n "__cove_in `+"\x00"+`"`+short+" -l "+long+arguments+" -d "+fishQuote(doc)+"\n")
	}
	for _, f := range c.allFlags() {
		short, arguments := "", ""
		if f.short != 0 {
			short = " -s " + string(f.short)
		}
		if f.value != "" {
			arguments = fishArguments(f.offers(), true)
		}
		flag(short, f.name, arguments, f.help)
		if f.no != "" {
			flag("", f.no, "", f.off())
		}
	}
	for i, o := range c.operands() {
		list := offers(o.text)
		if len(list) == 0 {
			continue
		}
		many := ""
		if o.many {
			many = "+"
		}
		lines = append(lines, fmt.Sprintf("complete -c cove -n \"__cove_arg %d%s \x00\"%s\n", i+1, many, fishArguments(list, false)))
	}
	return lines
}

// fishArguments are the options of complete for what a flag's value or an argument can be.
func fishArguments(offers []string, flag bool) string {
	exclusive, files := " -x", ""
	if !flag {
		exclusive = ""
	}
	var words []string
	for _, o := range offers {
		switch o {
		case "FILE":
			files = " -F"
			if exclusive != "" {
				exclusive = " -r"
			}
		case "BOX":
			words = append(words, "(command cove _complete boxes 2>/dev/null)")
		case "BOX:PATH":
			words = append(words, "(command cove _complete boxes 2>/dev/null | string replace -r '$' :)")
		case "PROFILE":
			words = append(words, "(command cove _complete profiles 2>/dev/null)")
		case "COMMAND":
			words = append(words, "(__cove_commands_after_help)")
		case "DIR":
			words = append(words, "(__fish_complete_directories)")
		case "VAR":
			words = append(words, "(set -nx)")
		case "PROGRAM":
			words = append(words, "(__cove_program)")
		default:
			words = append(words, o)
		}
	}
	text := exclusive + files
	if words != nil {
		text += " -a " + fishQuote(strings.Join(words, " "))
	}
	return text
}

const fishHead = `# Completion of cove for fish; made by: cove completion fish

# The commands, or what can follow the command $argv[1].
function __cove_commands
    switch "$argv[1]"
`

const fishValues = `    end
end

# The flags of a command that a value follows.
function __cove_values
    switch "$argv[1]"
`

const fishPrograms = `    end
end

# How many arguments stand before the program of a command that takes one.
function __cove_program_at
    switch "$argv[1]"
`

const fishMain = `    end
end

# The line up to the cursor: the command, where in it we are (command, flags, words after --, or program), and the
# arguments, or the program's words.
function __cove_line
    set -l tokens (commandline -opc)
    set -e tokens[1]
    while set -q tokens[1]; and string match -q -- '-*' $tokens[1]
        set -e tokens[1]
    end
    set -l name ''
    set -l more (__cove_commands "$name")
    while set -q more[1]
        if not set -q tokens[1]
            printf '%s\n' "$name" command
            return
        end
        set name (string trim -- "$name $tokens[1]")
        set -e tokens[1]
        set more (__cove_commands "$name")
    end
    set -l values (__cove_values "$name")
    set -l program (__cove_program_at "$name")
    set -l state flags
    set -l arguments
    while set -q tokens[1]
        set -l word $tokens[1]
        if test $state = flags; and string match -q -- '-?*' $word
            set -e tokens[1]
            if test "$word" = --
                set state words
            else if contains -- $word $values
                set -e tokens[1]
            else if string match -qr -- '^-[^-]' $word
                # Several in one word, the last of which may want a value.
                set -l letters (string split '' -- (string sub -s 2 -- $word))
                while set -q letters[1]; and not contains -- -$letters[1] $values
                    set -e letters[1]
                end
                test (count $letters) = 1; and set -e tokens[1]
            end
            continue
        end
        if test "$program" = (count $arguments)
            printf '%s\n' "$name" program $tokens
            return
        end
        set -a arguments $word
        set -e tokens[1]
    end
    printf '%s\n' "$name" $state $arguments
end

# A command's name is still to come, after $argv.
function __cove_at
    set -l line (__cove_line)
    test "$line[2]" = command; and test "$line[1]" = "$argv"
end

# One of these commands, and a flag can stand here.
function __cove_in
    set -l line (__cove_line)
    test "$line[2]" = flags; and contains -- "$line[1]" $argv
end

# One of these commands, and its argument number $argv[1] can stand here; with + each from there on.
function __cove_arg
    set -l line (__cove_line)
    contains -- "$line[1]" $argv[2..]; or return
    set -l number (math (count $line) - 1)
    switch "$line[2]"
        case flags words
            string match -q '*+' $argv[1]; and test $number -ge (string trim -c + $argv[1]); or test $number = "$argv[1]"
        case '*'
            return 1
    end
end

function __cove_in_program
    set -l line (__cove_line)
    test "$line[2]" = program
end

# The program's own completion.
function __cove_program
    set -l line (__cove_line)
    set -l current (commandline -ct)
    set -l words
    if test "$line[2]" = program
        set words (string escape -- $line[3..])
    else if string match -q -- '-*' "$current"
        return
    end
    __fish_complete_subcommand --commandline $words $current
end

function __cove_commands_after_help
    set -l line (__cove_line)
    __cove_commands "$line[3..]"
end

complete -c cove -f
complete -c cove -n __cove_in_program -a '(__cove_program)'
`

func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func fishQuoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fishQuote(w)
	}
	return strings.Join(quoted, " ")
}
