package smtp

import (
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestDialogues plays the files of testdata. In them
//
//	role: mx            which listener
//	set: drop 1000      a limit, see below
//	C: EHLO x           the client sends this and CR LF
//	C< a\n.\r\n         the client sends exactly this, with Go's escapes
//	S: 250 2.1.0        the next line begins so
//	S- 250              lines of a reply up to its last, which begins so
//	S! STARTTLS         the reply read last by S- has no such word
//	S? STARTTLS         the reply read last by S- has it
//	TLS                 the client begins TLS
//	CLOSED              the server has closed
//	MAIL 1              so many mails have been kept
//	BODY a\r\n          the last mail kept is this
func TestDialogues(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			play(t, string(text))
		})
	}
}

func play(t *testing.T, text string) {
	var (
		h    *host
		p    *peer
		last string
		role = MX
		set  []func(*Server)
		done []string
	)
	defer func() {
		if t.Failed() {
			t.Logf("the dialogue up to there:\n%s", strings.Join(done, "\n"))
		}
	}()
	begin := func() {
		if p == nil {
			h = start(t, role, set...)
			p = h.dial(t)
			p.SetDeadline(time.Now().Add(5 * time.Second))
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		done = append(done, line)
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "role:":
			role = map[string]Role{"mx": MX, "submission": Submission, "submissions": Submissions}[rest]
			continue
		case "set:":
			set = append(set, setting(t, rest))
			continue
		}
		begin()
		switch word {
		case "C:":
			p.send(rest + "\r\n")
		case "C<":
			raw, err := strconv.Unquote(`"` + rest + `"`)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			p.send(raw)
		case "S:":
			got, err := p.r.ReadString('\n')
			if err != nil || !strings.HasPrefix(got, rest) {
				t.Fatalf("want %q, got %q, %v", rest, got, err)
			}
		case "S-":
			last = p.expect(rest)
		case "S!":
			if strings.Contains(last, rest) {
				t.Fatalf("%q has %q", last, rest)
			}
		case "S?":
			if !strings.Contains(last, rest) {
				t.Fatalf("%q has no %q", last, rest)
			}
		case "TLS":
			p.tls()
		case "CLOSED":
			p.closed()
		case "MAIL":
			if got := strconv.Itoa(len(h.door.all())); got != rest {
				t.Fatalf("%s mails kept, want %s", got, rest)
			}
		case "BODY":
			want, err := strconv.Unquote(`"` + rest + `"`)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			mails := h.door.all()
			if mails[len(mails)-1].body != want {
				t.Fatalf("kept %+q, want %q", mails[len(mails)-1].body, want)
			}
		default:
			t.Fatalf("not a line of a dialogue: %q", line)
		}
	}
}

func setting(t *testing.T, s string) func(*Server) {
	key, value, _ := strings.Cut(s, " ")
	n, _ := strconv.Atoi(value)
	switch key {
	case "size":
		return func(s *Server) { s.MaxMessage, s.MaxDrop = int64(n), int64(n) }
	case "recipients":
		return func(s *Server) { s.Limits.Recipients = n }
	case "unknown":
		return func(s *Server) { s.Limits.Unknown = n }
	case "member":
		return func(s *Server) { s.Limits.PerMember = n }
	case "messages":
		return func(s *Server) { s.Limits.Messages = n }
	case "insecure":
		return func(s *Server) { s.InsecureAuthFrom = func(ip netip.Addr) bool { return ip.IsLoopback() } }
	case "notls":
		return func(s *Server) { s.TLS = nil }
	}
	t.Fatalf("no such setting: %s", s)
	return nil
}
