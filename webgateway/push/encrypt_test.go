package push

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"testing"
)

func b64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 8291 §5, with the values of its appendix A.
func TestAPushIsEncryptedAsTheRFCShowsIt(t *testing.T) {
	t.Parallel()
	const receiver = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
	k, err := ReadKeys(receiver, "BTBZMqHH6r4Tts7J_aSIgg")
	if err != nil {
		t.Fatal(err)
	}
	private, err := ecdh.P256().NewPrivateKey(b64(t, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.seal([]byte("When I grow up, I want to be a watermelon"), private, b64(t, "DGv6ra1nlYgDCS1FRnbzlw"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
	if s := base64.RawURLEncoding.EncodeToString(got); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// browser is the other side: what the push service cannot read, it can.
type browser struct {
	private *ecdh.PrivateKey
	auth    []byte
}

func newBrowser(t testing.TB) *browser {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{private, make([]byte, 16)}
	rand.Read(b.auth)
	return b
}

func (b *browser) keys() *Keys { return &Keys{b.private.PublicKey().Bytes(), b.auth} }

func (b *browser) read(body []byte) ([]byte, error) {
	if len(body) < header+overhead || body[20] != pointSize || int(binary.BigEndian.Uint32(body[16:])) < len(body)-header {
		return nil, fmt.Errorf("%d octets are no push", len(body))
	}
	salt, sender := body[:16], body[21:header]
	theirs, err := ecdh.P256().NewPublicKey(sender)
	if err != nil {
		return nil, err
	}
	secret, err := b.private.ECDH(theirs)
	if err != nil {
		return nil, err
	}
	a, nonce, err := contentKey(secret, b.auth, b.private.PublicKey().Bytes(), sender, salt)
	if err != nil {
		return nil, err
	}
	plain, err := a.Open(nil, nonce, body[header:], nil)
	if err != nil {
		return nil, err
	}
	rest, ok := bytes.CutSuffix(plain, []byte{2})
	if !ok {
		return nil, fmt.Errorf("its record is not the last")
	}
	return rest, nil
}

func TestOnlyTheBrowserReadsAPush(t *testing.T) {
	t.Parallel()
	ann, eve := newBrowser(t), newBrowser(t)
	for _, n := range []int{0, 1, 100, maxPayload} {
		plain := make([]byte, n)
		rand.Read(plain)
		body, err := ann.keys().encrypt(plain)
		if err != nil {
			t.Fatal(err)
		}
		if len(body) > 4096 {
			t.Errorf("%d octets become %d: services take 4096", n, len(body))
		}
		if got, err := ann.read(body); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d octets: %v", n, err)
		}
		if _, err := eve.read(body); err == nil {
			t.Error("another browser reads it")
		}
		if again, _ := ann.keys().encrypt(plain); bytes.Equal(again[:header], body[:header]) {
			t.Error("two pushes have the same salt and key")
		}
	}
	if _, err := ann.keys().encrypt(make([]byte, maxPayload+1)); err == nil {
		t.Error("a push that no service takes is made")
	}
}

func TestKeysThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	good := newBrowser(t).keys()
	enc := base64.RawURLEncoding.EncodeToString
	if k, err := ReadKeys(base64.StdEncoding.EncodeToString(good.P256dh), base64.URLEncoding.EncodeToString(good.Auth)); err != nil || !bytes.Equal(k.P256dh, good.P256dh) {
		t.Errorf("base64 as some libraries write it: %v", err)
	}
	off := append([]byte{}, good.P256dh...)
	off[64] ^= 1
	for name, k := range map[string][2]string{"nothing": {"", ""}, "no point of the curve": {enc(off), enc(good.Auth)}, "a short one": {enc(good.P256dh[:64]), enc(good.Auth)},
		"no base64": {"*", enc(good.Auth)}, "a long secret": {enc(good.P256dh), enc(make([]byte, 17))}, "no secret": {enc(good.P256dh), ""}} {
		if _, err := ReadKeys(k[0], k[1]); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
