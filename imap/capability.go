package imap

import (
	"slices"
	"strings"

	"colporteur/imap/wire"
)

// capabilities are announced to members. Each group's stand in its own file.
func (s *session) capabilities() []string {
	all := []string{"IMAP4rev2", "IMAP4rev1", "SASL-IR", "LITERAL+", "ENABLE", "UTF8=ACCEPT", "UNSELECT", "ID"}
	for _, group := range [][]string{
		fetchCapabilities, storeCapabilities, copyCapabilities, appendCapabilities, replaceCapabilities, batchesCapabilities,
		searchCapabilities, sortCapabilities, threadCapabilities,
		listCapabilities, folderCapabilities, statusCapabilities, aclCapabilities, metadataCapabilities, quotaCapabilities,
		condstoreCapabilities, idleCapabilities, notifyCapabilities, compressCapabilities, loginCapabilities,
	} {
		all = append(all, group...)
	}
	all = append(all, s.ownCapabilities()...)
	return slices.DeleteFunc(all, func(c string) bool {
		return slices.ContainsFunc(s.hidden, func(h string) bool { return strings.EqualFold(h, c) })
	})
}

// capability is what is announced now.
func (s *session) capability() string {
	if s.user.ID != 0 {
		return strings.Join(s.capabilities(), " ")
	}
	caps := []string{"IMAP4rev2", "IMAP4rev1", "SASL-IR", "LITERAL+", "ID", "ENABLE"}
	if s.tls == nil && s.srv.TLS != nil {
		caps = append(caps, "STARTTLS")
	}
	if s.maySignIn() {
		caps = append(caps, s.mechanisms()...)
	} else {
		caps = append(caps, "LOGINDISABLED")
	}
	return strings.Join(caps, " ")
}

func (s *session) sayCapability(d *wire.Decoder) error {
	if err := d.End(); err != nil {
		return err
	}
	s.e.Raw("* CAPABILITY ").Raw(s.capability()).CRLF()
	return nil
}

// enables are the extensions that change what a client is sent (RFC 5161).
var enables = map[string]func(*session){
	"IMAP4REV2":   func(s *session) { s.on.rev2 = true; s.speakUTF8() },
	"UTF8=ACCEPT": (*session).speakUTF8,
	"CONDSTORE":   func(s *session) { s.on.condstore = true },
	"QRESYNC":     func(s *session) { s.on.condstore, s.on.qresync = true, true }, // RFC 7162 §3.2.3
	"UIDONLY":     func(s *session) { s.on.uidOnly = true },
}

func (s *session) speakUTF8() { s.d.UTF8, s.e.UTF8 = true, true }

func (s *session) enable(d *wire.Decoder) error {
	var names []string
	for !d.AtEnd() {
		if err := d.SP(); err != nil {
			return err
		}
		name, err := d.Atom()
		if err != nil {
			return err
		}
		names = append(names, strings.ToUpper(name))
	}
	if len(names) == 0 {
		return bad("ENABLE needs a capability")
	}
	known := s.capabilities()
	if s.view != nil && slices.Contains(names, "UTF8=ACCEPT") {
		return bad("Not while a mailbox is selected") // RFC 6855 §3
	}
	s.e.Raw("* ENABLED")
	for _, name := range names {
		f := enables[name]
		// Only what is announced to this member can be switched on.
		if f == nil || !slices.ContainsFunc(known, func(c string) bool { return strings.EqualFold(c, name) }) {
			continue
		}
		f(s)
		s.e.SP().Raw(name)
	}
	s.e.CRLF()
	return nil
}
