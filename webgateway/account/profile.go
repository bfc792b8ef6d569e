package account

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"colporteur/mail"
)

// A configuration profile sets an account up on an iPhone, iPad or Mac in three
// taps (developer.apple.com/documentation/devicemanagement/mail). It has a
// password of its own, and is signed, so that the device says by whom.

// answerProfile writes it as a file that the device opens by itself.
func (p *Pages) answerProfile(w http.ResponseWriter, u mail.User, password string) error {
	out, _, err := p.sign(p.plist(u, password))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-apple-aspen-config")
	h.Set("Content-Disposition", `attachment; filename="mail.mobileconfig"`)
	h.Set("Content-Length", strconv.Itoa(len(out)))
	_, err = w.Write(out)
	return err
}

func (p *Pages) sign(content []byte) ([]byte, bool, error) {
	if p.Sign == nil {
		return content, false, nil
	}
	return p.Sign(content)
}

// field is a key of a property list with its value: string, int or bool.
type field struct {
	key   string
	value any
}

func (p *Pages) plist(u mail.User, password string) []byte {
	s, address := p.Servers, u.Address.String()
	name := u.Name
	if name == "" {
		name = address
	}
	in, out := s.IMAPS, s.Submissions
	if in == 0 {
		in = s.IMAP
	}
	if out == 0 {
		out = s.Submission
	}
	account := []field{
		{"PayloadType", "com.apple.mail.managed"}, {"PayloadVersion", 1},
		{"PayloadIdentifier", identifier(s.Host, address) + ".mail"}, {"PayloadUUID", uuid("mail", s.Host, address)}, {"PayloadDisplayName", address},
		{"EmailAccountType", "EmailTypeIMAP"}, {"EmailAccountName", name}, {"EmailAccountDescription", address}, {"EmailAddress", address},
		{"IncomingMailServerAuthentication", "EmailAuthPassword"}, {"IncomingMailServerHostName", s.Host}, {"IncomingMailServerPortNumber", in},
		{"IncomingMailServerUseSSL", true}, {"IncomingMailServerUsername", address}, {"IncomingPassword", password},
		{"OutgoingMailServerAuthentication", "EmailAuthPassword"}, {"OutgoingMailServerHostName", s.Host}, {"OutgoingMailServerPortNumber", out},
		{"OutgoingMailServerUseSSL", true}, {"OutgoingMailServerUsername", address}, {"OutgoingPasswordSameAsIncomingPassword", true},
	}
	profile := []field{
		{"PayloadType", "Configuration"}, {"PayloadVersion", 1}, {"PayloadIdentifier", identifier(s.Host, address)}, {"PayloadUUID", uuid("profile", s.Host, address)},
		{"PayloadDisplayName", address}, {"PayloadOrganization", s.Host},
	}
	var b bytes.Buffer
	b.WriteString(xml.Header + `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">` + "\n" + `<plist version="1.0">` + "\n<dict>\n")
	writeFields(&b, profile)
	b.WriteString("<key>PayloadContent</key>\n<array>\n<dict>\n")
	writeFields(&b, account)
	b.WriteString("</dict>\n</array>\n</dict>\n</plist>\n")
	return b.Bytes()
}

func writeFields(w io.Writer, fields []field) {
	for _, f := range fields {
		fmt.Fprintf(w, "<key>%s</key>", f.key)
		switch v := f.value.(type) {
		case bool:
			fmt.Fprintf(w, "<%t/>\n", v)
		case int:
			fmt.Fprintf(w, "<integer>%d</integer>\n", v)
		case string:
			io.WriteString(w, "<string>")
			xml.EscapeText(w, []byte(v))
			io.WriteString(w, "</string>\n")
		}
	}
}

// identifier is the same each time: another profile for the same address takes the
// place of the one before, instead of standing beside it.
func identifier(host, address string) string {
	return host + "." + uuid("id", host, address)
}

// uuid is one of its parts (RFC 9562 §5.8).
func uuid(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		io.WriteString(h, p)
		h.Write([]byte{0})
	}
	b := h.Sum(nil)[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
