package relay

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// sink is a server of somebody else's: it says what the test wants it to say
// and keeps what it is given.
type sink struct {
	t    testing.TB
	ip   string
	ln   net.Listener
	cert *tls.Certificate // offers STARTTLS

	banner   string   // "" is a friendly one
	ehlo     []string // extensions; nil is none
	ehloTLS  []string // after STARTTLS; nil is the same
	answer   func(line string) string
	afterTLS string // sent with the 220 to STARTTLS
	breakTLS bool   // breaks the handshake
	cbc      bool   // knows only TLS 1.2 with suites of before 2010
	lost     bool   // takes the mail, but its reply gets lost
	onDot    func()
	hold     <-chan struct{} // says the first octet of its banner, and the rest when this closes

	mu       sync.Mutex
	mails    []received
	sessions int
	lines    []string
	wg       sync.WaitGroup
}

type received struct {
	from  string // the whole MAIL line
	rcpts []string
	data  string
	tls   bool
}

func (s *sink) serve() {
	for {
		c, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.wg.Add(1)
		go func() {
			defer s.wg.Done()
			defer c.Close()
			s.mu.Lock()
			s.sessions++
			s.mu.Unlock()
			s.session(c)
		}()
	}
}

func (s *sink) session(c net.Conn) {
	br := bufio.NewReader(c)
	say := func(line string) { io.WriteString(c, line+"\r\n") }
	banner := s.banner
	if banner == "" {
		banner = "220 " + s.ip + " ESMTP"
	}
	if s.hold != nil {
		io.WriteString(c, banner[:1])
		<-s.hold
		banner = banner[1:]
	}
	say(banner)
	var m received
	encrypted := false
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return
		}
		if !strings.HasSuffix(line, "\r\n") {
			s.t.Errorf("sink %s: command without CRLF: %q", s.ip, line)
		}
		line = strings.TrimRight(line, "\r\n")
		s.mu.Lock()
		s.lines = append(s.lines, line)
		s.mu.Unlock()
		verb, _, _ := strings.Cut(line, " ")
		reply := ""
		if s.answer != nil {
			reply = s.answer(line)
		}
		if reply != "" && !strings.HasPrefix(reply, "2") && verb != "." {
			say(reply)
			continue
		}
		switch verb {
		case "EHLO":
			ext := append([]string(nil), s.ehlo...)
			if encrypted && s.ehloTLS != nil {
				ext = s.ehloTLS
			}
			if s.cert != nil && !encrypted {
				ext = append(ext, "STARTTLS")
			}
			out := "250-hello"
			for _, e := range ext {
				out += "\r\n250-" + e
			}
			say(out + "\r\n250 HELP")
		case "STARTTLS":
			io.WriteString(c, "220 go\r\n"+s.afterTLS)
			if s.breakTLS {
				br.Peek(1) // the client's hello
				io.WriteString(c, "this is no handshake at all, sorry\r\n")
				return
			}
			cfg := &tls.Config{Certificates: []tls.Certificate{*s.cert}}
			if s.cbc {
				cfg.MaxVersion, cfg.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
			}
			tc := tls.Server(c, cfg)
			if tc.Handshake() != nil {
				return
			}
			c, br, encrypted = tc, bufio.NewReader(tc), true
		case "MAIL":
			m = received{from: line, tls: encrypted}
			say(or(reply, "250 ok"))
		case "RCPT":
			m.rcpts = append(m.rcpts, line)
			say(or(reply, "250 ok"))
		case "DATA":
			say("354 go")
			data, ok := readData(br)
			if !ok {
				return
			}
			m.data = data
			end := "250 2.0.0 taken"
			if s.answer != nil {
				end = or(s.answer("."), end)
			}
			if s.onDot != nil {
				s.onDot()
			}
			if strings.HasPrefix(end, "2") {
				s.mu.Lock()
				s.mails = append(s.mails, m)
				s.mu.Unlock()
			}
			if s.lost {
				return
			}
			say(end)
		case "QUIT":
			say("221 bye")
			return
		default:
			say(or(reply, "250 ok"))
		}
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// readData reads to the final dot and undoes the stuffing. It is as strict as
// RFC 5321: only CRLF.CRLF ends.
func readData(br *bufio.Reader) (string, bool) {
	var b strings.Builder
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return b.String(), false
		}
		if line == ".\r\n" {
			return b.String(), true
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
}

func (s *sink) took() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.mails...)
}

func (s *sink) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions
}

func (s *sink) said(prefix string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		if strings.HasPrefix(l, prefix) {
			n++
		}
	}
	return n
}

// certificate is self-signed, for the names given.
func certificate(t testing.TB, names ...string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sink"}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
