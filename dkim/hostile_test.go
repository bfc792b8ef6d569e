package dkim

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"colporteur/mail"
)

// handmade is a signature with tags of the test's own; bh=, d=, s= and v= are
// added when they are not among them.
func handmade(t testing.TB, key Key, message, tags string) string {
	t.Helper()
	list, err := ParseTags(tags)
	if err != nil {
		t.Fatal(err)
	}
	s := &Signature{Tags: list, limit: noLimit}
	s.canonical() // an unknown c= is a test too
	if l, ok := list.Value("l"); ok {
		s.limit, _ = number(l)
	}
	var bodies Bodies
	bodies.Want(s)
	stream := &Stream{Keep: true, Body: func(p []byte) { bodies.Write(p) }}
	stream.Write([]byte(message))
	bodies.Close()
	body := bodies.simple
	if s.relaxedBody {
		body = bodies.relaxed
	}
	sum := body.sum(s.limit)
	if sum == nil { // l= is more than there is
		sum = body.Sum()
	}
	bh := base64.StdEncoding.EncodeToString(sum)
	for _, add := range []Tag{{Name: "v", Value: "1"}, {Name: "d", Value: key.Domain}, {Name: "s", Value: key.Selector},
		{Name: "bh", Value: bh}} {
		if _, ok := list.Value(add.Name); !ok {
			tags += "; " + add.Name + "=" + add.Value
		}
	}
	block, _ := stream.Header()
	field := Field("DKIM-Signature: " + tags + "; b=" + crlf)
	relaxed := s.relaxedHeader
	s, _ = ParseSignature(field, DKIMSignature)
	s.relaxedHeader = relaxed
	if s.Headers == nil {
		for _, h := range s.Tags.words("h") {
			s.Headers = append(s.Headers, strings.ToLower(h))
		}
	}
	digest := s.headerHash(ReadHeader(append([]byte(nil), block...)))
	sig, err := key.Signer.Sign(nil, digest, key.options())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(field), crlf) + base64.StdEncoding.EncodeToString(sig) + crlf
}

func TestTheTagsDecide(t *testing.T) {
	t.Parallel()
	keys, z := pair()
	e := keys[1]
	message := head + "\r\nHello.  \r\n\r\nyou\r\n\r\n"
	for _, c := range []struct {
		name, tags string
		want       mail.Result
	}{
		{"least", "a=ed25519-sha256; h=from", mail.Pass},
		{"simple/simple", "a=ed25519-sha256; c=simple/simple; h=from:subject", mail.Pass},
		{"simple header", "a=ed25519-sha256; c=simple/relaxed; h=from:subject", mail.Pass},
		{"relaxed alone", "a=ed25519-sha256; c=relaxed; h=from:subject", mail.Pass},
		{"blanks", "a=ed25519-sha256 ; c = relaxed/relaxed ; h= From : SUBJECT\r\n :\tto ", mail.Pass},
		{"i= of d=", "a=ed25519-sha256; h=from; i=joe@home.test", mail.Pass},
		{"i= below d=", "a=ed25519-sha256; h=from; i=joe@sub.home.test", mail.Pass},
		{"i= without local part", "a=ed25519-sha256; h=from; i=@HOME.test", mail.Pass},
		{"i= elsewhere", "a=ed25519-sha256; h=from; i=joe@other.test", mail.Neutral},
		{"i= that ends alike", "a=ed25519-sha256; h=from; i=joe@badhome.test", mail.Neutral},
		{"i= without @", "a=ed25519-sha256; h=from; i=home.test", mail.Neutral},
		{"upper-case d=", "a=ed25519-sha256; h=from; d=HOME.test; s=E1", mail.Pass},
		{"unknown tag", "a=ed25519-sha256; h=from; zz=1", mail.Pass},
		{"q=", "a=ed25519-sha256; h=from; q=x/y:dns/txt", mail.Pass},
		{"q= unknown", "a=ed25519-sha256; h=from; q=x/y", mail.Neutral},
		{"x= to come", "a=ed25519-sha256; h=from; t=1763000000; x=1800000000", mail.Pass},
		{"x= in a million years", "a=ed25519-sha256; h=from; x=99999999999999999999999", mail.Pass},
		{"x= gone", "a=ed25519-sha256; h=from; x=1763000000", mail.PolicyNo},
		{"x= before t=", "a=ed25519-sha256; h=from; t=1800000001; x=1800000000", mail.Neutral},
		{"x= no number", "a=ed25519-sha256; h=from; x=-5", mail.Neutral},
		{"t= no number", "a=ed25519-sha256; h=from; t=now", mail.Neutral},
		{"From not signed", "a=ed25519-sha256; h=subject:to", mail.Neutral},
		{"v=2", "a=ed25519-sha256; h=from; v=2", mail.Neutral},
		{"a= of RSA", "a=rsa-sha256; h=from", mail.PermError},
		{"a= unknown", "a=ed25519-sha512; h=from", mail.Neutral},
		{"rsa-sha1", "a=rsa-sha1; h=from", mail.PolicyNo},
		{"c= unknown", "a=ed25519-sha256; c=nofws; h=from", mail.Neutral},
		{"d= no domain", "a=ed25519-sha256; h=from; d=a b", mail.PermError}, // "ab": no key there
		{"d= with a dot too many", "a=ed25519-sha256; h=from; d=home..test", mail.Neutral},
		{"s= odd", "a=ed25519-sha256; h=from; s=e1/../x", mail.Neutral},
		{"no key", "a=ed25519-sha256; h=from; s=other", mail.PermError},
		{"bh= of another body", "a=ed25519-sha256; h=from; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=", mail.Fail},
		{"bh= short", "a=ed25519-sha256; h=from; bh=2jUSOH9Nhg==", mail.Neutral},
		{"l= of all", "a=ed25519-sha256; h=from; l=17", mail.Pass},
		{"l= of a part", "a=ed25519-sha256; h=from; l=5", mail.Pass},
		{"l=0", "a=ed25519-sha256; h=from; l=0", mail.Pass},
		{"l= too long", "a=ed25519-sha256; h=from; l=18", mail.Fail},
		{"l= far too long", "a=ed25519-sha256; h=from; l=99999999999999999999999", mail.Fail},
		{"l= no number", "a=ed25519-sha256; h=from; l=1x", mail.Neutral},
		{"long h=", "a=ed25519-sha256; h=from:" + strings.Repeat("x:", 5000) + "to", mail.Pass},
		{"too long", "a=ed25519-sha256; h=from:" + strings.Repeat("x:", 9000) + "to", mail.Neutral},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rs := verify(t, &Verifier{DNS: z, Now: now}, handmade(t, e, message, c.tags)+message)
			if len(rs) != 1 || rs[0].Result != c.want {
				t.Fatalf("%+v, want %s", rs, c.want)
			}
			if rs[0].Partial != strings.Contains(c.tags, "l=") {
				t.Errorf("partial: %v", rs[0].Partial)
			}
			if rs[0].Signature == "" && c.name != "too long" {
				t.Error("b= is not named")
			}
		})
	}
	// What a partial signature leaves out may be anything.
	rs := verify(t, &Verifier{DNS: z, Now: now}, handmade(t, e, message, "a=ed25519-sha256; h=from; l=5")+message+"more\r\n")
	if results(rs) != "pass" || !rs[0].Partial {
		t.Errorf("%+v", rs)
	}
}

func TestStrictKeyWantsItsOwnDomain(t *testing.T) {
	t.Parallel()
	keys, z := pair()
	e, record := keys[1], z["e1._domainkey.home.test"][0]
	z = z.with("e1._domainkey.home.test", record+"; t=s")
	for tags, want := range map[string]string{
		"i=joe@home.test": "pass", "i=joe@sub.home.test": "permerror", "n=": "pass",
	} {
		rs := verify(t, &Verifier{DNS: z, Now: now}, handmade(t, e, hard["plain"], "a=ed25519-sha256; h=from; "+tags)+hard["plain"])
		if results(rs) != want {
			t.Errorf("%s: %+v", tags, rs)
		}
	}
}

func TestOnlyTenSignaturesAreLookedAt(t *testing.T) {
	t.Parallel()
	keys, z := pair()
	var asked atomic.Int64
	dns := lookup(func(ctx context.Context, name string) ([]string, error) {
		asked.Add(1)
		return z.LookupTXT(ctx, name)
	})
	one := handmade(t, keys[1], hard["plain"], "a=ed25519-sha256; h=from")
	var all strings.Builder
	for i := range 100 {
		if i < 5 {
			all.WriteString(one)
		} else {
			all.WriteString(handmade(t, keys[1], hard["plain"], fmt.Sprintf("a=ed25519-sha256; h=from; d=d%d.test", i)))
		}
	}
	x := (&Verifier{DNS: dns, Now: now}).Begin(t.Context(), headerOf(all.String()+hard["plain"]))
	x.Write([]byte(all.String() + hard["plain"]))
	rs := x.Results()
	if len(rs) != 10 || results(rs) != "pass pass pass pass pass permerror permerror permerror permerror permerror" {
		t.Errorf("%+v", rs)
	}
	if !strings.Contains(rs[9].Reason, "90 more") {
		t.Error(rs[9].Reason)
	}
	if n := asked.Load(); n != 6 {
		t.Errorf("%d questions for 6 keys", n)
	}
}

type lookup func(context.Context, string) ([]string, error)

func (f lookup) LookupTXT(ctx context.Context, name string) ([]string, error) { return f(ctx, name) }

func TestFaultsOfTheDNSAreTemporary(t *testing.T) {
	t.Parallel()
	message := sign(t, hard["plain"])
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"SERVFAIL":  {&net.DNSError{Err: "server misbehaving", IsTemporary: true}, "temperror temperror"},
		"unknown":   {errors.New("broken"), "temperror temperror"},
		"time out":  {context.DeadlineExceeded, "temperror temperror"},
		"not found": {&net.DNSError{Err: "no such host", IsNotFound: true}, "permerror permerror"},
		"wrapped":   {fmt.Errorf("x: %w", &net.DNSError{Err: "no such host", IsNotFound: true}), "permerror permerror"},
	} {
		dns := lookup(func(context.Context, string) ([]string, error) { return nil, c.err })
		if rs := verify(t, &Verifier{DNS: dns, Now: now}, message); results(rs) != c.want {
			t.Errorf("%s: %+v", name, rs)
		}
	}
	if rs := verify(t, &Verifier{Now: now}, message); results(rs) != "temperror temperror" {
		t.Errorf("no resolver: %+v", rs)
	}
}

func TestASilentDNSCostsFifteenSecondsInAll(t *testing.T) {
	message := sign(t, hard["plain"])
	synctest.Test(t, func(t *testing.T) {
		dns := lookup(func(ctx context.Context, name string) ([]string, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		start := time.Now()
		x := (&Verifier{DNS: dns, Now: now}).Begin(t.Context(), headerOf(message))
		x.Write([]byte(message))
		if rs := x.Results(); results(rs) != "temperror temperror" {
			t.Errorf("%+v", rs)
		}
		if d := time.Since(start); d != FetchTime {
			t.Errorf("it took %v", d)
		}
	})
}

func TestTheKeysAreFetchedSideBySideWhileTheBodyArrives(t *testing.T) {
	message := sign(t, hard["plain"])
	_, z := pair()
	synctest.Test(t, func(t *testing.T) {
		dns := lookup(func(ctx context.Context, name string) ([]string, error) {
			time.Sleep(5 * time.Second)
			return z.LookupTXT(ctx, name)
		})
		start := time.Now()
		x := (&Verifier{DNS: dns, Now: now}).Begin(t.Context(), headerOf(message))
		x.Write([]byte(message[:len(message)-5]))
		time.Sleep(4 * time.Second)
		x.Write([]byte(message[len(message)-5:]))
		if rs := x.Results(); results(rs) != "pass pass" {
			t.Errorf("%+v", rs)
		}
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

// The client hangs up in the middle: synctest fails when a goroutine is left.
func TestNothingIsLeftWhenNobodyAsksForResults(t *testing.T) {
	message := sign(t, hard["plain"])
	synctest.Test(t, func(t *testing.T) {
		ended := 0
		dns := lookup(func(ctx context.Context, name string) ([]string, error) {
			<-ctx.Done()
			ended++
			return nil, ctx.Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		x := (&Verifier{DNS: dns, Now: now}).Begin(ctx, headerOf(message))
		x.Write([]byte(message[:100]))
		cancel()
		synctest.Wait()
		if ended != 2 || time.Since(start) != 0 {
			t.Errorf("%d lookups ended after %v", ended, time.Since(start))
		}
	})
}

func TestHostileHeadersAreCheap(t *testing.T) {
	keys, z := pair()
	one := handmade(t, keys[1], hard["plain"], "a=ed25519-sha256; h=from")
	long := "a=ed25519-sha256; h=from" + strings.Repeat(":x", 7000)
	for name, header := range map[string]string{
		"a megabyte in one field": "X-Long: " + strings.Repeat("x", 1<<20) + crlf,
		"a megabyte of fields":    strings.Repeat("X: y\r\n", 1<<20/6),
		"a megabyte of x":         strings.Repeat("x:\r\n", 1<<18),
		"folds":                   "X:" + strings.Repeat(" \r\n", 1<<18) + "\r\n",
		"bare carriage returns":   "X: " + strings.Repeat("\r", 1<<19) + crlf,
		"no colons":               strings.Repeat("xxxxxx\r\n", 1<<16),
		"ten long lists":          strings.Repeat(handmade(t, keys[1], hard["plain"], long), 10) + strings.Repeat("x:\r\n", 15000),
		"a megabyte of signature": "DKIM-Signature: v=1; h=" + strings.Repeat("x:", 1<<19) + crlf,
		"signatures":              strings.Repeat("DKIM-Signature: a\r\n", 1<<15),
	} {
		message := one + header + head + "\r\nbody\r\n"
		start := cpu()
		var rs []mail.DKIMResult
		grew := allocated(t, func() { rs = verify(t, &Verifier{DNS: z, Now: now}, message) })
		if len(rs) == 0 || rs[0].Result == "" {
			t.Errorf("%s: %+v", name, rs)
		}
		if d := cpu() - start; d > 2*time.Second {
			t.Errorf("%s: %v", name, d)
		}
		if grew > 100<<20 {
			t.Errorf("%s: %d MB", name, grew>>20)
		}
		runtime.GC()
	}
}

func FuzzVerify(f *testing.F) {
	keys, z := pair()
	for _, m := range hard {
		if len(m) < 5000 {
			f.Add(sign(f, m))
		}
	}
	for _, tags := range []string{"a=ed25519-sha256; c=simple; h=from:subject; l=3", "a=ed25519-sha256; h=from; i=@home.test; x=99999999999"} {
		f.Add(handmade(f, keys[1], hard["plain"], tags) + hard["plain"])
	}
	f.Add("\r\n\r\n")
	f.Add("DKIM-Signature")
	f.Add("DKIM-Signature:\r\n b=\r\n\r\n")
	f.Fuzz(func(t *testing.T, message string) {
		v := &Verifier{DNS: z, Now: now}
		for _, r := range verify(t, v, message) {
			if r.Result == "" || r.Result != mail.Pass && r.Reason == "" {
				t.Fatalf("%+v", r)
			}
		}
		// What anybody writes, we can sign; and what we sign holds, unless it is odd.
		fields, err := Sign(context.Background(), keys[1:], now(), text(message))
		if err != nil || ReadHeader(headerOf(message)).Odd != "" {
			return
		}
		x := v.Begin(context.Background(), nil)
		x.Write(fields)
		x.Write([]byte(message))
		if rs := x.Results(); len(rs) == 0 || rs[0].Result != mail.Pass {
			t.Fatalf("ours: %+v\n%s", rs, fields)
		}
	})
}
