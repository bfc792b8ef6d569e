package imap

import (
	"bytes"
	"io"

	"colporteur/imap/deflate"
	"colporteur/imap/wire"
)

// COMPRESS=DEFLATE (RFC 4978).

var (
	compressCommands     = commands{"COMPRESS": {in: member, run: (*session).compress}}
	compressCapabilities = []string{"COMPRESS=DEFLATE"}
)

func (s *session) compress(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	mech, err := d.Word()
	if err != nil {
		return err
	}
	if err := d.End(); err != nil {
		return err
	}
	if mech != "DEFLATE" {
		return &status{"NO", "CANNOT", "Only DEFLATE is supported"}
	}
	if s.packed {
		return &status{"NO", "COMPRESSIONACTIVE", "DEFLATE is active already"}
	}
	s.packed = true
	s.answer(nil)
	s.answered = true
	if s.e.Flush() != nil {
		s.over = true
		return nil
	}
	// What came behind the command is compressed, if it is anything.
	var from io.Reader = s.stream()
	if rest := bytes.Clone(d.Buffered()); len(rest) > 0 {
		from = io.MultiReader(bytes.NewReader(rest), from)
	}
	d.Reset(deflate.NewReader(from))
	s.e.Reset(deflate.NewWriter(s.stream()))
	return nil
}

// stream is the connection under compression.
func (s *session) stream() io.ReadWriter {
	if s.tls != nil {
		return s.tls
	}
	return s.conn
}
