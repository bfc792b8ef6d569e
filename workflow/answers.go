package workflow

import (
	"context"
	"io"
	"strings"

	"colporteur/locale/letter"
)

// AnswerName is the Notice.Name of the mail that ReplyIn sends: who replies to
// it names it.
func (in *Inbound) AnswerName() string {
	n := in.notice(letter.Letter{})
	return n.Name()
}

// Answers are the Notice.Names of what this mail may reply to, the nearest first.
func (in *Inbound) Answers() []string {
	var names []string
	refs := in.Summary.References
	for _, id := range append(append([]string(nil), in.Summary.InReplyTo...), refs[max(len(refs)-1, 0):]...) {
		if name, _, ok := strings.Cut(id, "@"); ok && name != "" && len(names) < 4 {
			names = append(names, name)
		}
	}
	return names
}

// Words are what the sender of a reply wrote: text without what it replies to,
// and without the line that a telephone puts below.
func Words(text string) string {
	var kept []string
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line = strings.TrimSpace(line); Quotes(line) || attributes(lines[i:]) || sentFrom(line) {
			break
		}
		kept = append(kept, line)
	}
	return strings.TrimSpace(strings.Join(kept, "\n"))
}

// attributes says that lines begin with the sentence that stands before a
// quotation ("Le … a écrit :"), which mail programs wrap over several lines.
func attributes(lines []string) bool {
	first := fold(strings.TrimSpace(lines[0]))
	if !strings.HasPrefix(first, "le ") && !strings.HasPrefix(first, "on ") {
		return false
	}
	said := ""
	for _, line := range lines[:min(len(lines), 4)] {
		if line = fold(strings.TrimSpace(line)); line == "" {
			return false
		}
		said = strings.TrimRight(said+" "+line, " \u00a0:")
		if strings.HasSuffix(said, "a ecrit") || strings.HasSuffix(said, "wrote") && strings.HasSuffix(line, ":") {
			return true
		}
	}
	return false
}

// devices begin what telephones put below every mail, without a separator.
var devices = []string{"envoye de mon ", "envoye de ma ", "envoye depuis mon ", "envoye depuis ma ", "envoye a partir de outlook", "sent from my ", "sent from outlook",
	"sent from mail for", "telecharger outlook", "obtenez outlook", "get outlook"}

func sentFrom(line string) bool {
	line = fold(line)
	if len(line) > 80 {
		return false
	}
	for _, d := range devices {
		if strings.HasPrefix(line, d) {
			return true
		}
	}
	return false
}

// Lone is the word of a reply that says nothing else: where people write to each
// other, "Stop" may also begin a sentence. An empty reply is its subject.
func Lone(subject, text string) Word {
	said := Words(text)
	if said == "" {
		said = bareSubject(subject)
	}
	if len(strings.Fields(said)) != 1 {
		return None
	}
	return ParseWord("", said)
}

// Source is the first part of a type that is the mail's own words ("text/plain",
// "text/html"), as UTF-8 and otherwise as it came; "" when there is none.
func (in *Inbound) Source(ctx context.Context, kind string) (string, error) {
	p := words1(in.Summary.Root, kind)
	if p == nil {
		return "", nil
	}
	r, dec, err := in.body(ctx, p)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(dec, maxWords))
	if err != nil {
		return "", err
	}
	return utf8Of(b, p.Params["charset"]), nil
}
