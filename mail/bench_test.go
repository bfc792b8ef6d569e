package mail

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"testing"
)

func BenchmarkDecodeBase64(b *testing.B) {
	line := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("xyz"), 19)) + "\r\n"
	raw := []byte(strings.Repeat(line, 1<<20/len(line)))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		io.Copy(io.Discard, DecodeBody("base64", bytes.NewReader(raw)))
	}
}

func BenchmarkComposeAttachment(b *testing.B) {
	raw := bytes.Repeat([]byte("0123456789abcdef"), 4<<20/16)
	c := &Compose{Attachments: []Attachment{{Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }}}}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		c.WriteTo(io.Discard)
	}
}

func BenchmarkDecodeQuotedPrintable(b *testing.B) {
	raw := []byte(strings.Repeat("L'=C3=A9t=C3=A9 est une saison que chacun attend =\r\navec un peu d'impatience.\r\n", 10000))
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		io.Copy(io.Discard, DecodeBody("quoted-printable", bytes.NewReader(raw)))
	}
}

func BenchmarkFoldFrench(b *testing.B) {
	raw := []byte(strings.Repeat("L’été est une saison que chacun attend avec un peu d'impatience, à Noël déjà.\r\n", 100))
	b.SetBytes(int64(len(raw)))
	dst := make([]byte, 0, 2*len(raw))
	for b.Loop() {
		dst = appendFold(dst[:0], 0, raw)
	}
}

func BenchmarkScannerHTML50KB(b *testing.B) {
	raw := []byte("From: a@x\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
		strings.Repeat("<table class=3D\"x\"><tr><td style=3D\"color: red\">Une offre &amp; une autre</td></tr></=\r\ntable>\r\n", 540))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		s := &Scanner{}
		s.Write(raw)
		s.Close()
	}
}

func BenchmarkScannerText10KB(b *testing.B) {
	raw := []byte("From: a@x\r\nTo: b@x\r\nSubject: bench\r\nMessage-ID: <1@x>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + strings.Repeat("kelo minu rase tivo zude ngor halj inka rlem monp raqu ister trawin\r\n", 145))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		s := &Scanner{}
		s.Write(raw)
		s.Close()
	}
}

func BenchmarkScannerAttachment(b *testing.B) {
	line := strings.Repeat("QUJD", 19) + "\r\n"
	chunk := []byte(strings.Repeat(line, 128<<10/len(line)))
	b.SetBytes(int64(len(chunk)))
	s := &Scanner{Tap: func(*Part, []byte) error { return nil }}
	s.Write([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/pdf\r\n\r\n"))
	for b.Loop() {
		s.Write(chunk)
	}
}
