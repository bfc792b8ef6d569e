package main

import (
	"bytes"
	"strings"
	"testing"

	"colporteur/importer"
	"colporteur/locale"
)

func TestTheWayToAnotherHostIsNeverLessProtectedThanAsked(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		given importCommand
		addr  string
		mode  importer.Mode
	}{
		{importCommand{IMAP: "imap.far.test"}, "imap.far.test:993", importer.ImplicitTLS},
		{importCommand{IMAP: "imap.far.test", StartTLS: true}, "imap.far.test:143", importer.StartTLS},
		{importCommand{IMAP: "imap.far.test:143"}, "imap.far.test:143", importer.StartTLS},
		{importCommand{IMAP: "imap.far.test:143", TLS: true}, "imap.far.test:143", importer.ImplicitTLS},
		{importCommand{IMAP: "imap.far.test:1143"}, "imap.far.test:1143", importer.ImplicitTLS},
		{importCommand{IMAP: "imap.far.test", Insecure: true}, "imap.far.test:143", importer.Clear},
		{importCommand{IMAP: "2001:db8::1"}, "[2001:db8::1]:993", importer.ImplicitTLS},
		{importCommand{IMAP: "[2001:db8::1]:143", Insecure: true}, "[2001:db8::1]:143", importer.Clear},
	} {
		addr, mode, err := x.given.address()
		if addr != x.addr || mode != x.mode || err != nil {
			t.Errorf("%+v: %s, %v, %v", x.given, addr, mode, err)
		}
	}
	for _, bad := range []string{"", ":993", "imaps://imap.far.test", "u@imap.far.test", "a b"} {
		if addr, _, err := (importCommand{IMAP: bad}).address(); err == nil {
			t.Errorf("%q is taken for %s", bad, addr)
		}
	}
}

func TestImportRefusesAMistakeInTheCommandLine(t *testing.T) {
	t.Parallel()
	p := setup(t)
	args := []string{"import", "--imap", "127.0.0.1:1", "--user", "u", "--member", "ann@home.test"}
	p.do(append(args[:7:7], "--tls", "--starttls")...).ends(exitUsage)
	p.do(args[:3:3]...).ends(exitUsage)
	p.do(args[:7:7]...).ends(exitUsage, "there is no terminal to ask on")
	p.do(append(args[:6:6], "ann at home", "--password-stdin")...).ends(exitUsage)
	colporteur(t, "secret\n", append(args[:7:7], "--password-stdin", "--config", p.config)...).ends(exitRefused, "ann@home.test")
	p.do("domain", "add", "home.test")
	p.do("member", "add", "ann@home.test").ends(0)
	colporteur(t, "secret\n", append(args[:7:7], "--password-stdin", "--lang", "fr", "--config", p.config)...).
		ends(exitRefused, "impossible de se servir de 127.0.0.1:1")
}

func TestImportTellsALineForEachFolder(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	r := &importReport{cli: &cli{out: &out, err: &errs}, Printer: locale.For("fr")}
	r.Plan(importer.Tally{New: 3, Bytes: 2_000_000, Have: 1})
	r.Progress("INBOX", 1, 1_000_000)
	r.Failed("INBOX\x1b[2J", 7, "cassé\r\n")
	r.Failed("Ailleurs", 0, "interdit")
	r.Folder("INBOX", "INBOX", importer.Tally{New: 2, Have: 1, Failed: 1, Bytes: 2_000_000})
	want := "À copier : 3 courriers, 2 Mo ; déjà là : 1.\nINBOX → INBOX : 2 courriers, 2 Mo ; 1 déjà là ; 1 non copiés\n"
	if got := strings.ReplaceAll(out.String(), "\u00a0", " "); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	want = "INBOX [2J : le courrier 7 n'est pas copié : cassé  \nAilleurs n'est pas copié, ou pas jusqu'au bout : interdit\n"
	if got := strings.ReplaceAll(errs.String(), "\u00a0", " "); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
