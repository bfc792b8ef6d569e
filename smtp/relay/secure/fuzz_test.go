package secure

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"
)

func FuzzRecordID(f *testing.F) {
	f.Add("v=STSv1; id=20261123;", "v=spf1 -all")
	f.Add("v=STSv1;id=1", "v=STSv1;id=2")
	f.Add("v=STSv1 ; x=y; id=abc ;", "")
	f.Fuzz(func(t *testing.T, a, b string) {
		id := idOf([]string{a, b})
		if len(id) > 32 || strings.ContainsAny(id, " \t;=\\") {
			t.Fatalf("got %q", id)
		}
		if id != "" && idOf([]string{a, b, a, b}) != "" {
			t.Fatal("several records are one")
		}
	})
}

func FuzzTLSA(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mx.far.test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		f.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		f.Fatal(err)
	}
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	f.Add(uint8(3), uint8(1), uint8(1), sum[:])
	f.Add(uint8(2), uint8(0), uint8(0), der)
	f.Add(uint8(3), uint8(0), uint8(0), []byte{})
	f.Fuzz(func(t *testing.T, usage, selector, matching uint8, data []byte) {
		fit, words := associations([]mdns.RR{&mdns.TLSA{Usage: usage, Selector: selector, MatchingType: matching, Certificate: hex.EncodeToString(data)}})
		if len(words) != 1 || len(fit) > 1 || len(fit) == 1 && usage != daneTA && usage != daneEE {
			t.Fatalf("got %v, %v", fit, words)
		}
		v := &verifier{associations: fit, names: []string{"mx.far.test"}, now: time.Now}
		err := v.verify(tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}})
		if err == nil && len(data) < sha256.Size {
			t.Fatalf("%d %d %d %x fits", usage, selector, matching, data)
		}
	})
}
