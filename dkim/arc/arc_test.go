package arc

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"colporteur/dkim"
	"colporteur/mail"
)

type zone map[string][]string

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if txts, ok := z[name]; ok {
		return txts, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

type text string

func (s text) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, string(s))
	return int64(n), err
}

// hosts are three that seal, the second with Ed25519, and the DNS.
var hosts = sync.OnceValues(func() ([]dkim.Key, zone) {
	z := zone{}
	var keys []dkim.Key
	for i, domain := range []string{"one.test", "two.test", "three.test"} {
		var signer crypto.Signer
		signer, err := rsa.GenerateKey(rand.Reader, 2048)
		if i == 1 {
			_, signer, err = ed25519.GenerateKey(rand.Reader)
		}
		if err != nil {
			panic(err)
		}
		k := dkim.Key{Domain: domain, Selector: "s", Signer: signer}
		record, err := dkim.PublicRecord(signer.Public())
		if err != nil {
			panic(err)
		}
		z[dkim.KeyName("s", domain)] = []string{record}
		keys = append(keys, k)
	}
	return keys, z
})

const message = "From: joe@home.test\r\nTo: list@one.test\r\nSubject: Hello \t there\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n" +
	"Message-ID: <1@home.test>\r\n\r\nHello.  \r\n\r\nBye\r\n\r\n"

// now is real: the other programs have no other clock, and refuse the future.
func now() time.Time { return time.Now().Add(-time.Minute) }

func judge(t testing.TB, v *Verifier, message string) mail.ARCResult {
	t.Helper()
	header, _, _ := strings.Cut(message, "\r\n\r\n")
	x := v.Begin(context.Background(), []byte(header+"\r\n\r\n"))
	x.Write([]byte(message))
	want := x.Result()
	y := v.Begin(context.Background(), nil)
	for i := range len(message) {
		y.Write([]byte(message[i : i+1]))
	}
	if got := y.Result(); got.Result != want.Result || got.Reason != want.Reason {
		t.Errorf("in pieces: %+v\n   whole: %+v", got, want)
	}
	return want
}

// pass is a mail as the host of key hands it on, with what it did to it.
func pass(t testing.TB, key dkim.Key, message string, change func(string) string) string {
	t.Helper()
	_, z := hosts()
	arrived := judge(t, &Verifier{DNS: z}, message)
	if change != nil {
		message = change(message)
	}
	fields, err := Seal(context.Background(), key, now(), arrived.Result,
		fmt.Sprintf("mx.%s; spf=pass smtp.mailfrom=a@b.test; dkim=pass header.d=home.test;\r\n\tarc=%s", key.Domain, arrived.Result), text(message))
	if err != nil {
		t.Fatal(err)
	}
	return string(fields) + "Received: by mx." + key.Domain + "\r\n" + message
}

// list is what mailing lists do.
func list(m string) string {
	return strings.Replace(m, "Subject: ", "Subject: [list] ", 1) + "-- \r\nThe list\r\n"
}

func threeHops(t testing.TB) string {
	keys, _ := hosts()
	m := pass(t, keys[0], message, nil)
	m = pass(t, keys[1], m, list)
	return pass(t, keys[2], m, list)
}

func TestAChainOverThreeHostsHolds(t *testing.T) {
	t.Parallel()
	_, z := hosts()
	m := threeHops(t)
	var asked []string
	v := &Verifier{DNS: z, Trusted: []string{"One.Test", "two.test", "three.test"}, Now: now,
		AuthServ: func(i int, field string) *mail.Verdict {
			asked = append(asked, fmt.Sprint(i, " ", strings.ReplaceAll(field, "\t", " ")))
			return &mail.Verdict{MailFrom: mail.SPFResult{Result: mail.Pass}}
		}}
	r := judge(t, v, m)
	if r.Result != mail.Pass || strings.Join(r.Sealers, " ") != "one.test two.test three.test" || r.Origin == nil {
		t.Errorf("%+v\n%s", r, m)
	}
	want := "1 mx.one.test; spf=pass smtp.mailfrom=a@b.test; dkim=pass"
	if len(asked) == 0 || !strings.HasPrefix(asked[0], want) || !strings.HasSuffix(asked[0], "arc=none") || strings.Contains(asked[0], "\r") {
		t.Errorf("%q", asked)
	}
	for line := range strings.SplitSeq(m, "\r\n") {
		if len(line) > 78 {
			t.Errorf("a line of %d octets: %s", len(line), line)
		}
	}
	for _, trusted := range [][]string{nil, {"one.test"}, {"one.test", "two.test"}, {"test", "one.test", "two.test"},
		{"one.test", "two.test", "sub.three.test"}} {
		v.Trusted = trusted
		if r := judge(t, v, m); r.Origin != nil || r.Result != mail.Pass {
			t.Errorf("with only %v trusted: %+v", trusted, r)
		}
	}
}

func TestAMailWithoutChainHasNone(t *testing.T) {
	t.Parallel()
	for _, m := range []string{message, "\r\nARC-Seal: i=1\r\n", "", "X: ARC-Seal: i=1\r\n\r\n"} {
		if r := judge(t, &Verifier{}, m); r.Result != mail.None || r.Reason != "" {
			t.Errorf("%q: %+v", m, r)
		}
	}
}

func TestAChangeAnywhereBreaksTheChain(t *testing.T) {
	t.Parallel()
	_, z := hosts()
	m := threeHops(t)
	v := &Verifier{DNS: z, Now: now}
	for _, c := range []struct {
		name, old, new string
		n              int
		want           mail.Result
	}{
		{"nothing", "Received: by mx.one.test", "Received: by  mx.one.test", 1, mail.Pass},
		{"body", "Bye", "Buy", 1, mail.Fail},
		{"Subject", "Hello \t", "Hallo \t", 1, mail.Fail},
		{"a second From", "From: ", "From: x@y.test\r\nFrom: ", 1, mail.Fail},
		{"an old result", "mx.one.test;", "mx.one.test; auth=pass;", 1, mail.Fail},
		{"an old signature", "ARC-Message-Signature: i=1; a=rsa", "ARC-Message-Signature: i=1; t=1; a=rsa", 1, mail.Fail},
		{"cv", "cv=none", "cv=pass", 1, mail.Fail},
		{"cv=fail said by the newest", "cv=pass", "cv=fail", 1, mail.Fail},
		{"cv unknown", "cv=pass", "cv=perhaps", 1, mail.Fail},
		{"the newest seal gone", "ARC-Seal: i=3", "X-Seal: i=3", 1, mail.Fail},
		{"an old seal gone", "ARC-Seal: i=1", "X-Seal: i=1", 1, mail.Fail},
		{"a result gone", "ARC-Authentication-Results: i=2", "X: i=2", 1, mail.Fail},
		{"the newest set gone", "i=3;", "i=9;", 3, mail.Fail},
		{"a seal twice", "ARC-Seal: i=1;", "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=x.test; s=s; b=AAAA\r\nARC-Seal: i=1;", 1, mail.Fail},
		{"i=0", "ARC-Seal: i=3;", "ARC-Seal: i=0;", 1, mail.Fail},
		{"i=51", "i=3;", "i=51;", 3, mail.Fail},
		{"i=+3", "ARC-Seal: i=3;", "ARC-Seal: i=+3;", 1, mail.Fail},
		{"no i=", "ARC-Authentication-Results: i=3;", "ARC-Authentication-Results:", 1, mail.Fail},
		{"h= in a seal", "ARC-Seal: i=3;", "ARC-Seal: i=3; h=from;", 1, mail.Fail},
		{"another key", "d=three.test; s=s", "d=one.test; s=s", 2, mail.Fail},
		{"no key", "d=three.test; s=s", "d=four.test; s=s", 2, mail.Fail},
		{"an upper-case field", "ARC-Seal: i=2", "arc-SEAL: i=2", 1, mail.Pass},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			changed := strings.Replace(m, c.old, c.new, c.n)
			if changed == m {
				t.Fatal("nothing was changed")
			}
			if r := judge(t, v, changed); r.Result != c.want || r.Result == mail.Fail && r.Reason == "" {
				t.Errorf("%+v, want %s", r, c.want)
			}
		})
	}
}

func TestAFailedChainIsMarkedOnce(t *testing.T) {
	t.Parallel()
	keys, z := hosts()
	v := &Verifier{DNS: z, Now: now}
	broken := strings.Replace(pass(t, keys[0], message, nil), "Bye", "Buy", 1)
	marked := pass(t, keys[2], broken, nil)
	if !strings.Contains(marked, "ARC-Seal: i=2; a=rsa-sha256; cv=fail") {
		t.Fatal(marked)
	}
	if r := judge(t, v, marked); r.Result != mail.Fail {
		t.Errorf("%+v", r)
	}
	// §5.1.2: the seal is good as that of a chain of one set.
	h := dkim.ReadHeader([]byte(marked))
	c, _ := read(h)
	alone := chain{sets: c.sets[1:]}
	scope := alone.sets[0].as.Unsigned(alone.scope(nil, 0))
	f := dkim.StartFetch(t.Context(), z, []string{alone.sets[0].as.KeyName()})
	if result, _, why := alone.sets[0].as.Check(f, sum(scope)); result != mail.Pass {
		t.Error(result, why)
	}
	again, err := Seal(t.Context(), keys[0], now(), mail.Fail, "mx.one.test; arc=fail", text(marked))
	if again != nil || err != nil {
		t.Errorf("%q, %v", again, err)
	}
	unknown, err := Seal(t.Context(), keys[0], now(), mail.TempError, "mx.one.test; arc=temperror", text(broken))
	if unknown != nil || err != nil {
		t.Errorf("%q, %v", unknown, err)
	}
}

func TestFiftySetsAreTheMost(t *testing.T) {
	t.Parallel()
	keys, z := hosts()
	m := message
	for range 50 {
		fields, err := Seal(t.Context(), keys[1], now(), mail.Pass, "mx.two.test; none", text(m))
		if err != nil {
			t.Fatal(err)
		}
		m = string(fields) + m
	}
	if r := judge(t, &Verifier{DNS: z, Now: now}, m); r.Result != mail.Pass || len(r.Sealers) != 50 {
		t.Errorf("%+v", r)
	}
	if out, err := Seal(t.Context(), keys[1], now(), mail.Pass, "mx.two.test; none", text(m)); !errors.Is(err, ErrFull) {
		t.Errorf("%q %v", out, err)
	}
	if r := judge(t, &Verifier{DNS: z, Now: now}, strings.Repeat("ARC-Seal: i=1\r\n", 10000)+m); r.Result != mail.Fail {
		t.Errorf("%+v", r)
	}
}

type lookup func(context.Context, string) ([]string, error)

func (f lookup) LookupTXT(ctx context.Context, name string) ([]string, error) { return f(ctx, name) }

func TestASilentDNSIsTemporary(t *testing.T) {
	m := threeHops(t)
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		dns := lookup(func(ctx context.Context, _ string) ([]string, error) { <-ctx.Done(); return nil, ctx.Err() })
		x := (&Verifier{DNS: dns, Now: now}).Begin(t.Context(), []byte(m))
		x.Write([]byte(m))
		if r := x.Result(); r.Result != mail.TempError || time.Since(start) != dkim.FetchTime {
			t.Errorf("%+v after %v", r, time.Since(start))
		}
	})
}

func FuzzChain(f *testing.F) {
	keys, z := hosts()
	f.Add(threeHops(f))
	f.Add(pass(f, keys[1], message, nil))
	f.Add("ARC-Seal: i=1; cv=none\r\nARC-Authentication-Results: i = 1 ; x\r\n\r\n")
	f.Add(message)
	f.Fuzz(func(t *testing.T, m string) {
		if r := judge(t, &Verifier{DNS: z, Now: now}, m); r.Result == "" || r.Result == mail.Fail && r.Reason == "" {
			t.Fatalf("%+v", r)
		}
		arrived := mail.Fail
		if out, err := Seal(context.Background(), keys[1], now(), arrived, m, text(m)); err == nil && len(out) > 0 {
			c, _ := read(dkim.ReadHeader(out))
			if len(out) == 0 || strings.Count(string(out), "\r\n\r\n") != 0 || c.highest == 0 {
				t.Fatalf("%q", out)
			}
		}
	})
}
