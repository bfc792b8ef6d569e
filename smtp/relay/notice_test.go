package relay

import (
	"bufio"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"net/textproto"
	"strings"
	"testing"

	"colporteur/mail"
)

// parts of a multipart/report, decoded.
type parts struct {
	head   textproto.MIMEHeader
	words  string
	status []textproto.MIMEHeader // per-message fields, then one per recipient
	kind   string                 // of the third part
	mail   string
}

func read(t *testing.T, text string) parts {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	p := parts{head: textproto.MIMEHeader(m.Header)}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Fatalf("content type %q: %v", m.Header.Get("Content-Type"), err)
	}
	mr := multipart.NewReader(m.Body, params["boundary"])
	for i := 0; ; i++ {
		part, err := mr.NextRawPart()
		if err == io.EOF {
			if i != 3 {
				t.Fatalf("got %d parts, want 3", i)
			}
			return p
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		switch i {
		case 0:
			d, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(string(b))))
			if err != nil {
				t.Fatal(err)
			}
			p.words = string(d)
		case 1:
			if got := part.Header.Get("Content-Type"); got != "message/delivery-status" {
				t.Errorf("second part is %q", got)
			}
			if !isASCII(b) {
				t.Errorf("status is not ASCII: %q", b)
			}
			tr := textproto.NewReader(bufio.NewReader(strings.NewReader(string(b) + "\r\n\r\n")))
			for {
				h, err := tr.ReadMIMEHeader()
				if len(h) == 0 {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				p.status = append(p.status, h)
			}
		case 2:
			p.kind, p.mail = part.Header.Get("Content-Type"), string(b)
		}
	}
}

//
func TestNoticeNamesOnlyThoseWhoWereRefused(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	grey := true
	far := n.site("far.test", func(s *sink) {
		s.answer = func(line string) string {
			switch {
			case strings.HasPrefix(line, "RCPT TO:<grey@") && grey:
				grey = false
				return "450 4.2.0 greylisted"
			case strings.HasPrefix(line, "RCPT TO:<gone@"):
				return "550 5.1.1 no such user"
			}
			return ""
		}
	})
	w := &work{Relay: n.mail("ok@far.test", "grey@far.test", "gone@far.test")}
	w.EnvID = "env 1"
	w.To[2].ORCPT = "rfc822;old+2Bx@home.test"
	n.drive(w, letter(sample), nil)
	seen := map[string]int{}
	for _, m := range far.took() {
		for _, r := range m.rcpts {
			seen[r]++
		}
	}
	if len(seen) != 2 || seen["RCPT TO:<ok@far.test>"] != 1 || seen["RCPT TO:<grey@far.test>"] != 1 {
		t.Errorf("delivered %v", seen)
	}
	p := n.notices(1)[0]
	if len(p.status) != 2 {
		t.Fatalf("got %v", p.status)
	}
	for field, want := range map[string]string{"Reporting-Mta": "dns; mail.home.test", "Original-Envelope-Id": "env 1"} {
		if got := p.status[0].Get(field); got != want {
			t.Errorf("%s: got %q, want %q", field, got, want)
		}
	}
	for field, want := range map[string]string{"Final-Recipient": "rfc822; gone@far.test", "Original-Recipient": "rfc822; old+x@home.test",
		"Action": "failed", "Status": "5.1.1", "Remote-Mta": "dns; mx.far.test", "Diagnostic-Code": "smtp; 550 5.1.1 no such user"} {
		if got := p.status[1].Get(field); got != want {
			t.Errorf("%s: got %q, want %q", field, got, want)
		}
	}
	env := n.door.mails[0].env
	if !env.From.IsZero() || env.Origin != mail.FromSystem || len(env.To) != 1 || env.To[0].Address != w.From || env.To[0].Notify != mail.NotifyNever {
		t.Errorf("got envelope %+v", env)
	}
	if p.head.Get("Auto-Submitted") != "auto-replied" || p.head.Get("In-Reply-To") != "<1@home.test>" {
		t.Errorf("got header %v", p.head)
	}
	if p.kind != "message/rfc822" || !strings.HasSuffix(p.mail, sample) || !strings.HasPrefix(p.mail, "Received: ") {
		t.Errorf("got %s %q", p.kind, p.mail)
	}
}

func TestNoticeSpeaksTheSendersLanguage(t *testing.T) {
	t.Parallel()
	french, english := "ne connaît pas gone@far.test", "does not know gone@far.test"
	for _, c := range []struct {
		lang   func(mail.Address) string
		fr, en bool
	}{
		{nil, true, true},
		{func(mail.Address) string { return "" }, true, true},
		{func(mail.Address) string { return "fr" }, true, false},
		{func(mail.Address) string { return "en" }, false, true},
	} {
		n := newInternet(t)
		n.relay.Lang = c.lang
		n.site("far.test", refuseRcpt("550 5.1.1 no"))
		n.drive(&work{Relay: n.mail("gone@far.test")}, letter(sample), nil)
		p := n.notices(1)[0]
		if strings.Contains(p.words, french) != c.fr || strings.Contains(p.words, english) != c.en || strings.Contains(p.words, "relay-") {
			t.Errorf("got\n%s", p.words)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(p.head.Get("Subject"))
		if err != nil || !strings.Contains(subject, "gone@far.test") {
			t.Errorf("got subject %q %v", subject, err)
		}
	}
}

//
func TestHostileDiagnosticIsOneFieldOfTheNotice(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.site("far.test", refuseRcpt("550-5.1.1 évil\x00\x1b[31m\r\n550-5.1.1 \r\n550-Action: delivered\r\n550 5.1.1 "+strings.Repeat("a", 10<<10)))
	n.drive(&work{Relay: n.mail("gone@far.test")}, letter(sample), nil)
	p := n.notices(1)[0]
	if len(p.status) != 2 || len(p.status[1]["Action"]) != 1 || p.status[1].Get("Action") != "failed" {
		t.Fatalf("got %v", p.status)
	}
	if d := p.status[1].Get("Diagnostic-Code"); !strings.HasPrefix(d, "smtp; 550 5.1.1 ?vil [31m") || len(d) > 2*maxText {
		t.Errorf("got %q", d)
	}
	for _, line := range strings.Split(n.door.mails[0].text, "\r\n") {
		if len(line) > 998 {
			t.Errorf("line of %d octets", len(line))
		}
	}
}

func TestWishesAboutNoticesAreRespected(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		notify mail.Notify
		want   int
	}{{0, 1}, {mail.NotifyNever, 0}, {mail.NotifyFailure, 1}, {mail.NotifySuccess, 0}, {mail.NotifyDelay | mail.NotifyFailure, 1}} {
		n := newInternet(t)
		n.site("far.test", refuseRcpt("550 5.1.1 no"))
		w := &work{Relay: n.mail("gone@far.test")}
		w.To[0].Notify = c.notify
		n.drive(w, letter(sample), nil)
		n.notices(c.want)
	}
}

func TestSuccessIsToldWhenThePeerWillNot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ext  []string
		want int
	}{{nil, 1}, {[]string{"DSN"}, 0}} {
		n := newInternet(t)
		n.site("far.test", func(s *sink) { s.ehlo = c.ext })
		w := &work{Relay: n.mail("bob@far.test", "eve@far.test")}
		w.To[0].Notify = mail.NotifySuccess
		n.drive(w, letter(sample), nil)
		for _, p := range n.notices(c.want) {
			if len(p.status) != 2 || p.status[1].Get("Action") != "relayed" || p.status[1].Get("Status") != "2.0.0" || p.kind != "text/rfc822-headers" {
				t.Errorf("got %v, %s", p.status, p.kind)
			}
		}
	}
}

func TestNoticeReturnsWhatTheSenderAskedFor(t *testing.T) {
	t.Parallel()
	big := sample + strings.Repeat("0123456789abcdef\r\n", 5000)
	for _, c := range []struct {
		name string
		ret  mail.Ret
		text string
		full bool
	}{
		{"small", mail.RetUnsaid, sample, true},
		{"large", mail.RetUnsaid, big, false},
		{"small, header wanted", mail.RetHeaders, sample, false},
		{"large, all wanted", mail.RetFull, big, true},
	} {
		n := newInternet(t)
		n.site("far.test", refuseRcpt("550 5.1.1 no"))
		w := &work{Relay: n.mail("gone@far.test")}
		w.Ret, w.Size = c.ret, int64(len(c.text))
		n.drive(w, letter(c.text), nil)
		p := n.notices(1)[0]
		if c.full && (p.kind != "message/rfc822" || p.mail != string(w.Prefix)+c.text) ||
			!c.full && (p.kind != "text/rfc822-headers" || !strings.Contains(p.mail, "Subject: The lake") || strings.Contains(p.mail, "Hello")) {
			t.Errorf("%s: got %s of %d octets", c.name, p.kind, len(p.mail))
		}
	}
}

func TestAddressBeyondASCIIStaysReadableInTheNotice(t *testing.T) {
	t.Parallel()
	n := newInternet(t)
	n.site("far.test", nil)
	w := &work{Relay: n.mail("rené@far.test")}
	w.UTF8 = true
	n.drive(w, letter(sample), nil)
	p := n.notices(1)[0]
	if got := p.status[1].Get("Final-Recipient"); got != `utf-8; ren\x{E9}@far.test` {
		t.Errorf("got %q", got)
	}
	if !strings.Contains(p.words, "rené@far.test") {
		t.Errorf("got\n%s", p.words)
	}
}
