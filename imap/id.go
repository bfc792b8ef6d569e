package imap

import (
	"strings"

	"colporteur/imap/wire"
)

var idCommands = commands{
	"ID":            {in: stranger | member, run: (*session).id},
	"GETJMAPACCESS": {in: member, run: (*session).getJMAPAccess},
}

// Bounds of RFC 2971 §3.3.
const (
	maxIDFields = 30
	maxIDField  = 30
	maxIDValue  = 1024
)

// id tells which program this is, and notes which one the other is (RFC 2971).
// No version: it would tell strangers which faults to try.
func (s *session) id(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	var said []string
	if d.Peek() == '(' {
		key, fields := "", 0
		err := d.List(func() error {
			if key == "" {
				k, err := d.String()
				if err == nil && (k == "" || len(k) > maxIDField || fields == maxIDFields) {
					err = bad("Not a field of ID")
				}
				key = k
				return err
			}
			v, _, err := d.NString()
			if err == nil && len(v) > maxIDValue {
				err = bad("Value of ID too long")
			}
			if name := strings.ToLower(key); name == "name" || name == "version" || name == "os" {
				said = append(said, v)
			}
			key, fields = "", fields+1
			return err
		})
		if err != nil {
			return err
		}
		if key != "" {
			return bad("Value of ID missing")
		}
	} else if word, err := d.Word(); err != nil || word != "NIL" {
		return bad("Expected a list or NIL")
	}
	if err := d.End(); err != nil {
		return err
	}
	if len(said) > 0 {
		s.srv.log().Debug("imap client", "ip", s.conn.ip, "user", s.user.Address, "program", ascii(strings.Join(said, " ")))
	}
	s.e.Raw(`* ID ("name" "Colporteur")`).CRLF()
	return nil
}

// getJMAPAccess says where the same mail is served over JMAP (RFC 9698).
func (s *session) getJMAPAccess(d *wire.Decoder) error {
	if err := d.End(); err != nil {
		return err
	}
	if s.srv.JMAP == "" {
		return bad("Unknown command")
	}
	s.e.Raw("* JMAPACCESS ").String(s.srv.JMAP).CRLF()
	return nil
}
