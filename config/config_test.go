package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestThreeMistakesAreAllReported(t *testing.T) {
	t.Parallel()
	_, err := Parse("/etc/colporteur/colporteur.toml", `
hostname = "mail home test"
data = "/var/lib/colporteur"
[limits]
mesage = "50MiB"
[relay]
port = "twenty-five"
`)
	var p *Problems
	if !errors.As(err, &p) {
		t.Fatalf("got %v, want problems", err)
	}
	if len(p.List) != 3 {
		t.Errorf("got %d problems, want 3:\n%v", len(p.List), err)
	}
	for _, want := range []string{"hostname: ", "limits.mesage: there is no such key; did you mean limits.message?", "relay.port: must be a whole number"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the report does not say %q:\n%v", want, err)
		}
	}
}

func TestEveryProblemNamesItsKey(t *testing.T) {
	t.Parallel()
	base := map[string]string{"": "hostname = \"mail.home.test\"\ndata = \"/var/lib/colporteur\"\n"}
	for _, c := range []struct{ name, text, key, says string }{
		{"no hostname", "data = \"/x\"\n", "hostname", "missing"},
		{"no data", "hostname = \"a.test\"\n", "data", "missing"},
		{"unknown table", base[""] + "[smpt]\nmx = \":25\"\n", "smpt", "no such key"},
		{"key in the wrong table", base[""] + "[tls]\nresolver = \"\"\n", "tls.resolver", "dns.resolver"},
		{"a table as a value", base[""] + "tls = \"acme\"\n", "tls", "[tls]"},
		{"a size in words", base[""] + "[limits]\nmessage = \"fifty\"\n", "limits.message", "not a size"},
		{"a drop over what SIZE can count", base[""] + "[limits]\ndrop = \"4GiB\"\n", "limits.drop", "3GiB"},
		{"a negative size", base[""] + "[limits]\nmessage = -1\n", "limits.message", "not a size"},
		{"listen without a port", base[""] + "[smtp]\nmx = \"127.0.0.1\"\n", "smtp.mx", "with a port"},
		{"listen on a name", base[""] + "[smtp]\nmx = \"mail.home.test:25\"\n", "smtp.mx", "IP address"},
		{"one address twice", base[""] + "[imap]\ntls = \":143\"\n", "imap.tls", "imap.starttls"},
		{"no connection at all", base[""] + "[imap]\nper_member = 0\n", "imap.per_member", "nobody"},
		{"a list of numbers", base[""] + "[smtp]\nmx = [25]\n", "smtp.mx", "texts"},
		{"public metrics", base[""] + "[metrics]\nlisten = \":9465\"\n", "metrics.listen", "public"},
		{"resolver by name", base[""] + "[dns]\nresolver = \"dns.test:53\"\n", "dns.resolver", "127.0.0.1:53"},
		{"files without a certificate", base[""] + "[tls]\nmode = \"files\"\nkey = \"k.pem\"\n", "tls.cert", "missing"},
		{"another database", base[""] + "[database]\nurl = \"mysql://x\"\n", "database.url", "postgres://"},
		{"no door for the certificate authority", base[""] + "[web]\nlisten = []\nhttp = []\n", "tls.mode", "web.http or web.listen"},
		{"an object store", base[""] + "[blobs]\nurl = \"s3://b\"\n", "blobs.url", "not built yet"},
		{"the key beside the mail", base[""] + "[secrets]\nkey = \"/var/lib/colporteur/key\"\n", "secrets.key", "inside data"},
		{"a network in words", base[""] + "[smtp]\nproxy_protocol_from = [\"lan\"]\n", "smtp.proxy_protocol_from", "not a network"},
		{"a url with a slash", base[""] + "[web]\nurl = \"https://a.test/\"\n", "web.url", "slash"},
		{"another profile", base[""] + "profile = \"prod\"\n", "profile", "neither"},
		{"not TOML", "hostname = \n", "", "line 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("/etc/colporteur/colporteur.toml", c.text)
			var p *Problems
			if !errors.As(err, &p) || len(p.List) != 1 {
				t.Fatalf("input:\n%s\ngot %v, want one problem", c.text, err)
			}
			if p.List[0].Key != c.key || !strings.Contains(p.List[0].Text, c.says) {
				t.Errorf("got %q, want key %q saying %q", p.List[0], c.key, c.says)
			}
		})
	}
}

func TestListenTakesOneAddressOrSeveral(t *testing.T) {
	t.Parallel()
	c, err := Parse("/x/c.toml", "hostname=\"a.test\"\ndata=\"d\"\n[smtp]\nmx=\"127.0.0.1:2525\"\nsubmission=[\"127.0.0.1:0\",\"[::1]:0\"]\nsubmissions=[]\nproxy_protocol_from=\"10.0.0.7\"\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := (List{"127.0.0.1:2525"}); !reflect.DeepEqual(c.SMTP.MX, want) {
		t.Errorf("mx: got %v, want %v", c.SMTP.MX, want)
	}
	if len(c.SMTP.Submission) != 2 || len(c.SMTP.Submissions) != 0 {
		t.Errorf("got submission %v, submissions %v", c.SMTP.Submission, c.SMTP.Submissions)
	}
	if len(c.SMTP.ProxyProtocolFrom) != 1 || c.SMTP.ProxyProtocolFrom[0].Bits() != 32 {
		t.Errorf("got networks %v, want one address", c.SMTP.ProxyProtocolFrom)
	}
	if c.Data != "/x/d" {
		t.Errorf("data: got %s, want it to count from the file's folder", c.Data)
	}
}

func TestWhatIsWrittenIsReadBackTheSame(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{Dev, Server} {
		path := filepath.Join(t.TempDir(), "colporteur.toml")
		c := Defaults(profile)
		c.Hostname, c.Data = "mail.home.test", "/srv/quo\"ted \\ data"
		c.TLS.Mode = SelfSigned
		if err := Write(path, &c); err != nil {
			t.Fatal(err)
		}
		got, err := Load(path)
		if err != nil {
			t.Fatalf("%s: %v\n%s", profile, err, c.Text())
		}
		c.Path = path
		var a, b strings.Builder // nil and empty lists are the same list
		c.Show(&a)
		got.Show(&b)
		if a.String() != b.String() {
			t.Errorf("%s: wrote\n%s\nread\n%s", profile, a.String(), b.String())
		}
		for _, key := range Keys() {
			if !strings.Contains(string(c.Text()), key[strings.LastIndexByte(key, '.')+1:]) {
				t.Errorf("the written file does not mention %s", key)
			}
		}
		if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, want 0600", info.Mode())
		}
		if err := Write(path, &c); !errors.Is(err, fs.ErrExist) {
			t.Errorf("writing over a file: got %v, want fs.ErrExist", err)
		}
	}
}

func TestShowHidesThePassword(t *testing.T) {
	t.Parallel()
	c := Defaults(Server)
	c.Database.URL = "postgres://u:s3cret@h/db?password=s3cret"
	var b strings.Builder
	if err := c.Show(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "s3cret") || !strings.Contains(b.String(), "postgres://u:hidden@h/db") {
		t.Errorf("got %s", b.String())
	}
	_, err := Parse("/x/c.toml", "hostname=\"a.test\"\ndata=\"/d\"\n[database]\nurl=\"postgres://u:s3%cret@h/db\"\n")
	if err == nil || strings.Contains(err.Error(), "cret@") {
		t.Errorf("got %v, want a problem that does not repeat the password", err)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{"50MiB": 50 << 20, "3GiB": 3 << 30, "16 KiB": 16 << 10, "1GB": 1e9, "7": 7, "7B": 7, "0": 0} {
		got, err := ParseSize(text)
		if err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
		back, err := ParseSize(got.String())
		if err != nil || back != got {
			t.Errorf("%q: written %q, read back %d, %v", text, got, back, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5GiB", "99999999999TiB", "50 Mo"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	c := Defaults(Dev)
	c.Hostname, c.Data = "mail.home.test", "/d"
	f.Add(string(c.Text()))
	f.Add("[smtp]\nmx=[[1]]\n[[limits]]\n")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := Parse("/x/c.toml", text); err == nil {
			if _, err := Parse("/x/c.toml", string(c.Text())); err != nil {
				t.Errorf("%q was read, but not what it is written as:\n%s\n%v", text, c.Text(), err)
			}
		}
	})
}
