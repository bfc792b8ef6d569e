package workflow

import (
	"context"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"colporteur/workflow/link"
)

// Word is what a reply tells a program to do.
type Word string

const (
	None   Word = ""
	Help   Word = "help"
	Stop   Word = "stop"
	Extend Word = "extend"
	Recall Word = "recall"
	Yes    Word = "yes"
	No     Word = "no"
	Paper  Word = "paper"
)

// vocabulary is every word in either language, as people write them.
var vocabulary = map[string]Word{
	"aide": Help, "help": Help,
	"stop": Stop, "arret": Stop,
	"prolonger": Extend, "prolongez": Extend, "prolonge": Extend, "extend": Extend,
	"oui": Yes, "yes": Yes,
	"non": No, "no": No,
	"gazette": Paper, "journal": Paper, "paper": Paper,
	"rappeler": Recall, "rappelez": Recall, "rappelle": Recall, "recall": Recall,
}

// looked is how many lines of a reply are searched for a word: below stands
// what it replies to, which names all the words.
const looked = 5

// ParseWord finds the word of a reply: the first word of its first line or of
// its subject, or a line of its own among the first few. Quotations do not count.
func ParseWord(subject, text string) Word {
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if Quotes(line) || n == looked {
			break
		}
		n++
		words := strings.FieldsFunc(line, func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' && r != '’' })
		if len(words) == 0 {
			continue
		}
		w := vocabulary[fold(words[0])]
		if w != None && (n == 1 || len(words) == 1) {
			return w
		}
	}
	words := strings.FieldsFunc(bareSubject(subject), func(r rune) bool { return !unicode.IsLetter(r) })
	if len(words) > 0 {
		return vocabulary[fold(words[0])]
	}
	return None
}

// Quotes says that a line begins what a reply replies to.
func Quotes(line string) bool {
	if strings.HasPrefix(line, ">") || strings.HasPrefix(line, "|") || strings.HasPrefix(line, "-----") || strings.HasPrefix(line, "_____") {
		return true
	}
	low := fold(line)
	return strings.HasPrefix(low, "le ") && strings.Contains(low, "a ecrit") ||
		strings.HasPrefix(low, "on ") && strings.HasSuffix(low, "wrote:") ||
		strings.HasPrefix(low, "de :") || strings.HasPrefix(low, "from:")
}

// fold lowers case and drops accents.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFD.String(s))
}

// bareSubject is a subject without "Re:", "RE :", "Fwd:", "TR:" and the like.
func bareSubject(s string) string {
	for {
		s = strings.TrimSpace(s)
		mark, rest, ok := strings.Cut(s, ":")
		if !ok {
			return s
		}
		switch strings.ToLower(strings.TrimSpace(mark)) {
		case "re", "ré", "aw", "fwd", "fw", "tr", "wg", "sv":
			s = rest
		default:
			return s
		}
	}
}

// Commanded is a program whose things can be spoken to by reply.
type Commanded interface {
	// Command does what the owner of the thing behind l replied, or the person
	// elsewhere whom we asked something: then in.Sender is zero. The link may have
	// ended. It is called again when the mail is processed again.
	Command(ctx context.Context, in *Inbound, l link.Link, w Word) error
}

// Answerable is a program whose guests may answer the mails they get about it.
type Answerable interface {
	// Answer takes in what the guest of l wrote, who is in.Guest; in.Sender is zero
	// when they have no account. It is called again when the mail is processed again.
	Answer(ctx context.Context, in *Inbound, l link.Link) error
}
