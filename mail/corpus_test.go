package mail

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// otherwise is where we read a mail of the corpus otherwise than mail-parser
// does, and why. IMAP's clients and servers agree on these rules; mail-parser
// looks for what a person may have meant.
var otherwise = map[string]string{
	"legacy/049":     "mail-parser leaves out the last octet, a lone CR",
	"malformed/000":  "a boundary ends the header before it: these are four empty parts",
	"malformed/001":  "a boundary of the outer multipart ends the inner one",
	"malformed/004":  "a line that only begins like the boundary is none",
	"malformed/007":  "the multipart within ends with the one around it",
	"malformed/008":  "a boundary of the outer multipart ends the inner one",
	"malformed/009":  "a boundary of the outer multipart ends the inner one",
	"malformed/011":  "a boundary of the outer multipart ends the inner one",
	"malformed/012":  "a boundary of the outer multipart ends the inner one",
	"malformed/013":  "what follows a boundary is a part, empty or not",
	"malformed/014":  "what follows a boundary is a part, empty or not",
	"malformed/016":  "a boundary of the outer multipart ends the inner one",
	"malformed/019":  "a boundary ends the header before it",
	"malformed/020":  "mail-parser loses the parts of the inner multipart",
	"malformed/021":  "mail-parser loses the parts of the inner multipart",
	"malformed/022":  "an attached message whose header never ends is a message",
	"rfc/008":        "an attached message in base64 is decoded by its reader, who asks for its octets",
	"thirdparty/005": "the last boundary stands in the middle of a line",
	"thirdparty/015": "a boundary of the outer multipart ends the inner one",
}

// expectedPart is a part as mail-parser's corpus has it.
type expectedPart struct {
	Headers []struct {
		Name  any             `json:"name"`
		Value json.RawMessage `json:"value"`
	} `json:"headers"`
	Body  json.RawMessage `json:"body"`
	Start int64           `json:"offset_body"`
	End   int64           `json:"offset_end"`
	Bad   bool            `json:"is_encoding_problem"` // then what it is decoded to is anybody's guess
}

type expectedMail struct {
	Parts []expectedPart `json:"parts"`
}

func TestMailsAreReadAsTheCorpusSays(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "shared", "corpora", "mime", "mail-parser", "resources", "eml")
	files, _ := filepath.Glob(filepath.Join(root, "*", "*.eml"))
	if len(files) == 0 {
		t.Skip("the corpora are not beside this checkout")
	}
	agreed, needed := 0, map[string]bool{}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		base := strings.TrimSuffix(path, ".eml")
		name, _ := filepath.Rel(root, base)
		text := strings.ReplaceAll(string(raw), "\r\n", "\n")
		for js, text := range map[string]string{base + ".json": text, base + ".crlf.json": strings.ReplaceAll(text, "\n", "\r\n")} {
			b, err := os.ReadFile(js)
			if err != nil {
				t.Errorf("%v", err)
				continue
			}
			var want expectedMail
			if err := json.Unmarshal(b, &want); err != nil {
				t.Fatalf("%s: %v", js, err)
			}
			s, _ := scan(t, text, 1<<20)
			differs := ""
			if got, shape := shapeOf(s.Root), want.shape(0); got != shape {
				differs = fmt.Sprintf("\n got %s\nwant %s", got, shape)
			} else {
				agreed++
				want.bodies(t, name, text, s.Root, 0)
			}
			want.envelope(t, js, s.Card)
			if differs != "" && otherwise[name] == "" {
				t.Errorf("%s%s", js, differs)
			}
			needed[name] = needed[name] || differs != ""
		}
	}
	for name := range otherwise {
		if !needed[name] {
			t.Errorf("%s is read as mail-parser reads it", name)
		}
	}
	if agreed < 100 {
		t.Errorf("only %d mails were compared", agreed)
	}
}

// shapeOf is the types of a structure and where its bodies are.
func shapeOf(p *Part) string {
	s := fmt.Sprintf("%s %d-%d", p.Type, p.BodyOffset, p.BodyOffset+p.Size)
	for _, c := range p.Children {
		s += "(" + shapeOf(c) + ")"
	}
	if p.Message != nil && p.Message.Root != nil {
		s += "<" + shapeOf(p.Message.Root) + ">"
	}
	return s
}

func (m *expectedMail) shape(i int) string {
	p := &m.Parts[i]
	children, inner, _ := p.below()
	s := fmt.Sprintf("%s %d-%d", p.mediaType(inner != nil), p.Start, p.End)
	for _, c := range children {
		s += "(" + m.shape(c) + ")"
	}
	if inner != nil {
		s += "<" + inner.shape(0) + ">"
	}
	return s
}

func (p *expectedPart) below() (children []int, inner *expectedMail, text *string) {
	var body struct {
		Multipart  []int
		Message    *expectedMail
		Text, HTML *string
	}
	if json.Unmarshal(p.Body, &body) != nil {
		return nil, nil, nil
	}
	if body.Text == nil {
		body.Text = body.HTML
	}
	return body.Multipart, body.Message, body.Text
}

func (p *expectedPart) header(name string, to any) bool {
	for _, h := range p.Headers {
		if h.Name == name {
			return json.Unmarshal(h.Value, to) == nil
		}
	}
	return false
}

func (p *expectedPart) mediaType(message bool) string {
	var v struct {
		ContentType struct {
			Kind string  `json:"c_type"`
			Sub  *string `json:"c_subtype"`
		}
	}
	switch {
	case message: // of a digest
		return "message/rfc822"
	case p.header("content_type", &v) && v.ContentType.Sub != nil:
		return strings.ToLower(v.ContentType.Kind + "/" + *v.ContentType.Sub)
	}
	return "text/plain"
}

// bodies compares the texts, decoded.
func (m *expectedMail) bodies(t *testing.T, name, raw string, p *Part, i int) {
	t.Helper()
	children, inner, text := m.Parts[i].below()
	for n, c := range children {
		m.bodies(t, name, raw, p.Children[n], c)
	}
	if inner != nil {
		inner.bodies(t, name, raw, p.Message.Root, 0)
	}
	if text == nil {
		return
	}
	b, err := io.ReadAll(DecodeBody(p.Encoding, strings.NewReader(raw[p.BodyOffset:p.BodyOffset+p.Size])))
	if err != nil {
		t.Fatal(err)
	}
	utf, _ := toUTF8(p.Params["charset"], b)
	if got := string(utf); got != *text && !m.Parts[i].Bad && !guessed(*text) {
		t.Errorf("%s: part %d\n got %.300q\nwant %.300q", name, i, got, *text)
	}
}

// envelope compares what ENVELOPE says, its words decoded.
func (m *expectedMail) envelope(t *testing.T, name string, c *Card) {
	t.Helper()
	got := readEnvelope(c.Envelope)
	var text struct{ Text string }
	if m.Parts[0].header("subject", &text) && got[1] != text.Text && !guessed(text.Text) {
		t.Errorf("%s: subject\n got %q\nwant %q", name, got[1], text.Text)
	}
	for i, field := range map[int]string{2: "from", 5: "to"} {
		type person struct{ Name, Address *string }
		var v struct {
			Address struct {
				List  []person
				Group []struct {
					Name      *string
					Addresses []person
				}
			}
		}
		if !m.Parts[0].header(field, &v) {
			continue
		}
		want := ""
		add := func(list []person) {
			for _, p := range list {
				if p.Name != nil {
					want += *p.Name
				}
				if p.Address != nil {
					want += "<" + *p.Address + ">"
				} else if p.Name != nil { // we take it for the address
					want = strings.TrimSuffix(want, *p.Name) + "<" + *p.Name + ">"
				}
			}
		}
		add(v.Address.List)
		for _, g := range v.Address.Group {
			if g.Name != nil {
				want += *g.Name
			}
			want += ":"
			add(g.Addresses)
			want += ";"
		}
		if got[i] != want && !guessed(want) {
			t.Errorf("%s: %s\n got %q\nwant %q", name, field, got[i], want)
		}
	}
}

// guessed: mail-parser replaces octets of no charset, we take them for Latin-1.
func guessed(text string) bool { return strings.Contains(text, "\uFFFD") }

// readEnvelope reads the ten members, addresses as one string, NIL as "".
func readEnvelope(b []byte) (all [10]string) {
	g := &grammar{s: string(b)}
	nstring := func() string {
		if g.is("NIL") {
			return ""
		}
		return g.string()
	}
	g.need("(")
	for i := range all {
		if i > 0 {
			g.need(" ")
		}
		if i < 2 || i > 7 {
			all[i] = Words(nstring())
			continue
		}
		if g.is("NIL") {
			continue
		}
		for g.need("("); !g.is(")"); {
			g.need("(")
			name := Words(nstring())
			g.need(" ")
			nstring()
			g.need(" ")
			local := nstring()
			g.need(" ")
			domain := nstring()
			g.need(")")
			switch {
			case domain == missingDomain:
				all[i] += name + "<" + local + ">"
			case domain != "":
				all[i] += name + "<" + local + "@" + domain + ">"
			case local != "":
				all[i] += Words(local) + ":"
			default:
				all[i] += ";"
			}
		}
	}
	return all
}
