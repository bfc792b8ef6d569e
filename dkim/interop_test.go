package dkim

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The other programs, as Debian has them: python3-dkim with python3-nacl
// (dkimpy), libmail-dkim-perl (Mail::DKIM, which knows RSA only) and opendkim.

// python verifies every signature of every *.eml in a folder, and signs every
// *.msg with both keys in the four canonical forms.
const python = `
import dkim, glob, os, sys
os.chdir(sys.argv[1])
keys = dict(l.rstrip('\n').split(' ', 1) for l in open('keys'))
def dns(name, timeout=5):
    n = name if isinstance(name, str) else name.decode()
    r = keys.get(n.rstrip('.'))
    return r.encode() if r else None
for f in sorted(glob.glob('*.eml')):
    m = open(f, 'rb').read()
    out = []
    n = sum(1 for l in m.split(b'\r\n\r\n')[0].split(b'\r\n') if l.lower().startswith(b'dkim-signature:'))
    for i in range(n):
        try:
            out.append('pass' if dkim.DKIM(m).verify(idx=i, dnsfunc=dns) else 'fail')
        except Exception as e:
            out.append(type(e).__name__)
    print(f[:-4] + '\t' + ' '.join(out))
for f in sorted(glob.glob('*.msg')):
    m = open(f, 'rb').read()
    for s, k, a in ((b'r1', 'rsa.pem', b'rsa-sha256'), (b'e1', 'ed.seed', b'ed25519-sha256')):
        for h in (b'simple', b'relaxed'):
            for b in (b'simple', b'relaxed'):
                m = dkim.sign(m, s, b'home.test', open(k, 'rb').read(), canonicalize=(h, b), signature_algorithm=a,
                              include_headers=[b'from', b'subject', b'to', b'date', b'from']) + m
    open(f[:-4] + '.signed', 'wb').write(m)
`

// perl does the same with Mail::DKIM, RSA only.
const perl = `
use Mail::DKIM::Verifier; use Mail::DKIM::Signer; use Mail::DKIM::DNS; use Net::DNS;
chdir $ARGV[0] or die; my %keys;
open(my $k, '<', 'keys') or die; while (<$k>) { chomp; my ($n, $r) = split / /, $_, 2; $keys{$n} = $r }
package Hook; sub new { bless {} } sub errorstring { 'NXDOMAIN' }
sub send { my ($s, $n, $t) = @_; my $p = Net::DNS::Packet->new($n, $t); $n =~ s/\.$//;
  if ($keys{$n}) { my $rr = Net::DNS::RR->new(name => $n, type => 'TXT', txtdata => [unpack('(A250)*', $keys{$n})]); $p->push(answer => $rr) }
  else { $p->header->rcode('NXDOMAIN') } return $p }
package main;
Mail::DKIM::DNS::resolver(Hook->new);
sub slurp { local $/; open(my $f, '<:raw', $_[0]) or die; <$f> }
for my $f (sort glob '*.eml') {
  my $v = Mail::DKIM::Verifier->new; $v->PRINT(slurp($f)); $v->CLOSE;
  (my $n = $f) =~ s/\.eml$//;
  print "$n\t", join(' ', map { $_->result } grep { $_->algorithm eq 'rsa-sha256' } $v->signatures), "\n" }
for my $f (sort glob '*.msg') {
  my $m = slurp($f);
  for my $c (qw(simple/simple simple/relaxed relaxed/simple relaxed/relaxed)) {
    my $s = Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256', Method => $c, Domain => 'home.test', Selector => 'r1', KeyFile => 'rsa.pem');
    $s->PRINT($m); $s->CLOSE; $m = $s->signature->as_string . "\r\n" . $m }
  (my $n = $f) =~ s/\.msg$//; open(my $o, '>:raw', "$n.signed") or die; print $o $m; close $o }
`

// bench is a folder with the hard messages signed by us (*.eml), unsigned
// (*.msg), and the keys.
func bench(t *testing.T, without ...string) (dir string, names []string) {
	t.Helper()
	dir = t.TempDir()
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys, z := pair()
	var lines strings.Builder
	for name, txts := range z {
		fmt.Fprintf(&lines, "%s %s\n", name, txts[0])
	}
	write("keys", []byte(lines.String()))
	der, err := x509.MarshalPKCS8PrivateKey(keys[0].Signer)
	if err != nil {
		t.Fatal(err)
	}
	write("rsa.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	write("ed.seed", []byte(base64.StdEncoding.EncodeToString(keys[1].Signer.(ed25519.PrivateKey).Seed())))
	for name := range hard {
		if !slices.Contains(without, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		fields, err := Sign(t.Context(), keys, time.Now().Add(-time.Minute), text(hard[name]))
		if err != nil {
			t.Fatal(err)
		}
		write(fmt.Sprintf("%02d.eml", i), append(fields, hard[name]...))
		write(fmt.Sprintf("%02d.msg", i), []byte(hard[name]))
	}
	return dir, names
}

// run runs another program; it fails, and does not skip, when that is missing.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, stderr.String())
	}
	return string(out)
}

// verdicts are the lines "NUMBER\tresult result".
func verdicts(out string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(out) {
		n, v, _ := strings.Cut(strings.TrimSpace(line), "\t")
		m[n] = v
	}
	return m
}

// theirs judges what another program signed: all of want signatures hold.
func theirs(t *testing.T, dir string, names []string, want int) {
	t.Helper()
	_, z := pair()
	for i, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%02d.signed", i)))
		if err != nil {
			t.Error(err)
			continue
		}
		x := (&Verifier{DNS: z}).Begin(t.Context(), headerOf(string(b)))
		x.Write(b)
		holds := 0
		rs := x.Results()
		for _, r := range rs {
			if r.Result == "pass" {
				holds++
			}
		}
		if holds != want {
			t.Errorf("%s: %d of %d hold: %+v", name, holds, want, rs)
		}
	}
}

func TestDkimpyAndWeAgree(t *testing.T) {
	t.Parallel()
	// It refuses a blank before the colon, takes minutes for long runs, and
	// reads blanks without a line end at the very end, which no relay leaves so,
	// as text. Twice the same field is not acceptable to us unless all are signed.
	dir, names := bench(t, "name with a blank", "many blank lines", "a long run of blanks", "one blank", "blanks only", "everything twice")
	got := verdicts(run(t, "/usr/bin/python3", "-c", python, dir))
	for i, name := range names {
		if v := got[fmt.Sprintf("%02d", i)]; !strings.HasPrefix(v, "pass pass") {
			t.Errorf("%s: %q", name, v)
		}
	}
	theirs(t, dir, names, 8)
}

func TestMailDKIMAndWeAgree(t *testing.T) {
	t.Parallel()
	// It signs a body without a last line end as if relays left that so
	// (RFC 6376 §3.4.3 adds one when simple).
	dir, names := bench(t, "blanks only", "one blank", "no last line end")
	got := verdicts(run(t, "perl", "-e", perl, dir))
	for i, name := range names {
		if v := got[fmt.Sprintf("%02d", i)]; !strings.HasPrefix(v, "pass") {
			t.Errorf("%s: %q", name, v)
		}
	}
	theirs(t, dir, names, 4)
}

// CHECKS A-06.
func TestOthersBelieveThirtyMegabytes(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes ten seconds")
	}
	t.Parallel()
	dir, _ := bench(t)
	for _, glob := range []string{"*.eml", "*.msg"} {
		files, err := filepath.Glob(filepath.Join(dir, glob))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			os.Remove(f)
		}
	}
	keys, _ := pair()
	m := head + "\r\n" + strings.Repeat(strings.Repeat("A", 76)+"\r\n", 30<<20/78)
	fields, err := Sign(t.Context(), keys, time.Now().Add(-time.Minute), text(m))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "00.eml"), append(fields, m...), 0o600); err != nil {
		t.Fatal(err)
	}
	if v := verdicts(run(t, "/usr/bin/python3", "-c", python, dir))["00"]; v != "pass pass" {
		t.Error("dkimpy:", v)
	}
	if v := verdicts(run(t, "perl", "-e", perl, dir))["00"]; v != "pass" {
		t.Error("Mail::DKIM:", v)
	}
}

func TestOpenDKIMBelievesUs(t *testing.T) {
	t.Parallel()
	// Its test mode reads lines; and it refuses a blank before the colon.
	dir, names := bench(t, "name with a blank", "no last line end", "one blank", "blanks only")
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, []byte("Mode v\nSyslog no\nAlwaysAddARHeader yes\nTestPublicKeys "+filepath.Join(dir, "keys")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		out := run(t, "/usr/sbin/opendkim", "-x", conf, "-t", filepath.Join(dir, fmt.Sprintf("%02d.eml", i)), "-vv")
		if strings.Count(out, "dkim=pass") != 2 {
			t.Errorf("%s: %s", name, out)
		}
	}
}
