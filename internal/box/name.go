package box

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// CheckName tells why name cannot be the name of a box, or returns nil.
func CheckName(name string) error {
	good := name != "" && len(name) <= 64 && strings.IndexFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
	}) < 0 && !strings.ContainsRune("._-", rune(name[0]))
	if !good {
		return fmt.Errorf("cannot call a box %q: a name is a small letter or a digit, then up to 63 of a-z 0-9 . _ -", name)
	}
	return nil
}

// Words for generated names: short, different at a glance, said without spelling.
var (
	manners = strings.Fields("amber bold brave brisk bright calm clear clever cosy crisp dapper eager early fair fancy fleet " +
		"fresh gentle giddy glad golden grand happy hardy humble jolly keen kind lively lucky mellow merry mild misty neat nimble " +
		"noble patient plucky polite proud quick quiet rapid ready rosy royal rustic sandy shy silent silver sleek sly smart snug " +
		"solid spry steady sunny swift tidy warm wise witty")
	animals = strings.Fields("adder badger bat bear beaver bison boar bream buck calf carp cat cod colt crab crane crow deer " +
		"dingo dove drake duck eagle eel egret elk emu ermine falcon finch fox frog gecko goat goose gull hare hawk heron ibex ibis " +
		"jay koala lark lemur lion lizard llama lynx magpie marten mole moose mouse newt orca osprey otter owl ox panda perch pike " +
		"plover puffin puma quail rabbit ram raven robin seal shark sheep shrew skua sloth snail stoat stork swan tapir tern tiger " +
		"toad trout vole whale wolf wren yak zebra")
)

// generate makes a name. After many attempts it has a number too.
func generate(attempt int) string {
	n := manners[rand.IntN(len(manners))] + "-" + animals[rand.IntN(len(animals))]
	if attempt > 20 {
		n = fmt.Sprintf("%s-%d", n, rand.IntN(1_000_000))
	}
	return n
}
