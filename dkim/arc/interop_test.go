package arc

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"colporteur/mail"
)

func sum(b []byte) []byte { s := sha256.Sum256(b); return s[:] }

// Mail::DKIM, from Debian's libmail-dkim-perl: it verifies the mail on its
// standard input, or seals it as three.test ("seal").
const perl = `
use Mail::DKIM::ARC::Verifier; use Mail::DKIM::ARC::Signer; use Mail::DKIM::DNS; use Net::DNS;
my ($dir, $what, $chain) = @ARGV; my %keys;
open(my $k, '<', "$dir/keys") or die; while (<$k>) { chomp; my ($n, $r) = split / /, $_, 2; $keys{$n} = $r }
package Hook; sub new { bless {} } sub errorstring { 'NXDOMAIN' }
sub send { my ($s, $n, $t) = @_; my $p = Net::DNS::Packet->new($n, $t); $n =~ s/\.$//;
  if ($keys{$n}) { my $rr = Net::DNS::RR->new(name => $n, type => 'TXT', txtdata => [unpack('(A250)*', $keys{$n})]); $p->push(answer => $rr) }
  else { $p->header->rcode('NXDOMAIN') } return $p }
package main;
Mail::DKIM::DNS::resolver(Hook->new);
binmode STDIN; binmode STDOUT; my $m = do { local $/; <STDIN> };
if ($what eq 'seal') {
  my $s = Mail::DKIM::ARC::Signer->new(Algorithm => 'rsa-sha256', Chain => $chain, Domain => 'three.test', SrvId => 'mx.three.test', Selector => 's', KeyFile => "$dir/key.pem",
    Headers => 'h:Subject:To:From');
  $s->PRINT($m); $s->CLOSE; die $s->{details} unless $s->result eq 'sealed'; print $s->as_string, $m }
else { my $v = Mail::DKIM::ARC::Verifier->new; $v->PRINT($m); $v->CLOSE; print $v->result, ' ', $v->result_detail }
`

// dkimpy, from python3-dkim and python3-nacl.
const python = `
import dkim, sys
keys = dict(l.rstrip('\n').split(' ', 1) for l in open(sys.argv[1] + '/keys'))
def dns(name, timeout=5):
    n = name if isinstance(name, str) else name.decode()
    r = keys.get(n.rstrip('.'))
    return r.encode() if r else None
cv, results, reason = dkim.arc_verify(sys.stdin.buffer.read(), dnsfunc=dns)
print((cv or b'ended').decode(), reason)
`

func run(t *testing.T, stdin, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var stderr strings.Builder
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, stderr.String())
	}
	return string(out)
}

func bench(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	keys, z := hosts()
	var lines strings.Builder
	for name, txts := range z {
		fmt.Fprintf(&lines, "%s %s\n", name, txts[0])
	}
	der, err := x509.MarshalPKCS8PrivateKey(keys[2].Signer)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"keys": []byte(lines.String()),
		"key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDkimpyBelievesOurChain(t *testing.T) {
	t.Parallel()
	dir := bench(t)
	keys, _ := hosts()
	m := pass(t, keys[0], message, nil) // it knows only RSA in a chain
	m = pass(t, keys[2], m, list)
	m = pass(t, keys[0], m, list)
	if out := run(t, m, "/usr/bin/python3", "-c", python, dir); !strings.HasPrefix(out, "pass") {
		t.Error(out)
	}
	if out := run(t, strings.Replace(m, "Bye", "Buy", 1), "/usr/bin/python3", "-c", python, dir); !strings.HasPrefix(out, "fail") {
		t.Error(out)
	}
}

// Three hops, of which the middle one is Mail::DKIM: each side believes the
// other. It knows RSA only.
func TestMailDKIMAndWeContinueEachOther(t *testing.T) {
	t.Parallel()
	dir := bench(t)
	keys, z := hosts()
	first := pass(t, keys[0], message, nil)
	if out := run(t, first, "perl", "-e", perl, dir, "verify"); !strings.HasPrefix(out, "pass") {
		t.Fatal(out)
	}
	second := run(t, "Authentication-Results: mx.three.test; spf=pass smtp.mailfrom=a@b.test; arc=pass\r\n"+list(first),
		"perl", "-e", perl, dir, "seal", "pass")
	v := &Verifier{DNS: z}
	if r := judge(t, v, second); r.Result != mail.Pass || strings.Join(r.Sealers, " ") != "one.test three.test" {
		t.Fatalf("%+v\n%s", r, second)
	}
	third := pass(t, keys[0], second, list)
	if out := run(t, third, "perl", "-e", perl, dir, "verify"); !strings.HasPrefix(out, "pass") {
		t.Errorf("%s\n%s", out, third)
	}
	if r := judge(t, v, third); r.Result != mail.Pass || len(r.Sealers) != 3 {
		t.Errorf("%+v", r)
	}
	if out := run(t, strings.Replace(third, "Bye", "Buy", 1), "perl", "-e", perl, dir, "verify"); !strings.HasPrefix(out, "fail") {
		t.Error(out)
	}
	failed := run(t, "Authentication-Results: mx.three.test; arc=fail\r\n"+first, "perl", "-e", perl, dir, "seal", "fail")
	if r := judge(t, v, failed); r.Result != mail.Fail {
		t.Errorf("%+v", r)
	}
	alone := run(t, "Authentication-Results: mx.three.test; spf=pass smtp.mailfrom=a@b.test\r\n"+message, "perl", "-e", perl, dir, "seal", "none")
	if r := judge(t, v, alone); r.Result != mail.Pass {
		t.Errorf("%+v\n%s", r, alone)
	}
}
