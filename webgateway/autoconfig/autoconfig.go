// Package autoconfig tells mail programs how to be set up, so that a member types
// an address and a password and nothing else: Thunderbird's configuration file,
// and Outlook's autodiscovery.
//
// Nothing here says whether a member exists: every address at a domain of ours is
// answered the same.
package autoconfig

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"strings"

	"colporteur/mail"
	"colporteur/webgateway/page"
)

// Server is where programs connect.
type Server struct {
	Host                    string
	IMAPS, IMAP             int // ports; 0 is not there. IMAP begins with STARTTLS
	Submissions, Submission int
	Site                    string // of the host, for people
	Ours                    func(ctx context.Context, domain string) (bool, error)
	FirstDomain             func(ctx context.Context) string
	Pages                   *page.Pages
}

// Routes adds the addresses that programs ask: at autoconfig.DOMAIN, and at the
// domain itself.
func (s *Server) Routes(mux *http.ServeMux) {
	mux.Handle("GET /mail/config-v1.1.xml", s.Pages.Handle(s.thunderbird))
	mux.Handle("GET /.well-known/autoconfig/mail/config-v1.1.xml", s.Pages.Handle(s.thunderbird))
	for _, path := range []string{"/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml"} {
		mux.Handle("POST "+path, s.Pages.Handle(s.outlook))
	}
}

// clientConfig is Mozilla's autoconfiguration file, version 1.1
// (wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat).
type clientConfig struct {
	XMLName  xml.Name `xml:"clientConfig"`
	Version  string   `xml:"version,attr"`
	Provider provider `xml:"emailProvider"`
}

type provider struct {
	ID        string   `xml:"id,attr"`
	Domain    string   `xml:"domain"`
	Name      string   `xml:"displayName"`
	Short     string   `xml:"displayShortName"`
	Incoming  []server `xml:"incomingServer"`
	Outgoing  []server `xml:"outgoingServer"`
	Documents []doc    `xml:"documentation,omitempty"`
}

type server struct {
	Type     string `xml:"type,attr"`
	Host     string `xml:"hostname"`
	Port     int    `xml:"port"`
	Socket   string `xml:"socketType"`
	Auth     string `xml:"authentication"`
	Username string `xml:"username"`
}

type doc struct {
	URL string `xml:"url,attr"`
}

// servers are those of a kind, the ones with TLS from the first byte first
// (RFC 8314).
func (s *Server) servers(kind string, tls, startTLS int) (list []server) {
	for _, one := range []struct {
		port   int
		socket string
	}{{tls, "SSL"}, {startTLS, "STARTTLS"}} {
		if one.port != 0 {
			list = append(list, server{kind, s.Host, one.port, one.socket, "password-cleartext", "%EMAILADDRESS%"})
		}
	}
	return list
}

// domain is that of an address that a program asks about; kind NotFound when it
// is none of ours.
func (s *Server) domain(ctx context.Context, address string) (string, error) {
	_, domain, ok := strings.Cut(address, "@")
	if !ok {
		return s.FirstDomain(ctx), nil
	}
	domain, err := mail.Domain(domain)
	if err != nil {
		return "", mail.Refuse(mail.NotFound, "kind-not-found")
	}
	if ours, err := s.Ours(ctx, domain); err != nil || !ours {
		if err == nil {
			err = mail.Refuse(mail.NotFound, "kind-not-found")
		}
		return "", err
	}
	return domain, nil
}

func (s *Server) thunderbird(w http.ResponseWriter, r *http.Request) error {
	address := r.URL.Query().Get("emailaddress")
	if host, ok := strings.CutPrefix(strings.ToLower(r.Host), "autoconfig."); ok && address == "" {
		address = "@" + host // asked without an address, the name says whose host is meant
	}
	domain, err := s.domain(r.Context(), address)
	if err != nil {
		return err
	}
	return answer(w, &clientConfig{Version: "1.1", Provider: provider{ID: domain, Domain: domain, Name: domain, Short: domain,
		Incoming: s.servers("imap", s.IMAPS, s.IMAP), Outgoing: s.servers("smtp", s.Submissions, s.Submission), Documents: []doc{{s.Site}}}})
}

// autodiscover is what Outlook asks (MS-OXDSCLI §2.2.3, "POX").
type autodiscover struct {
	Request struct {
		Address string `xml:"EMailAddress"`
		Schema  string `xml:"AcceptableResponseSchema"`
	} `xml:"Request"`
}

const outlookSchema = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"

type discovered struct {
	XMLName  xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
	Response struct {
		XMLName xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a Response"`
		Name    string   `xml:"User>DisplayName"`
		Type    string   `xml:"Account>AccountType"`
		Action  string   `xml:"Account>Action"`
		Servers []found  `xml:"Account>Protocol"`
	}
}

type found struct {
	Type       string
	Server     string
	Port       int
	Domain     string `xml:"DomainRequired"`
	Login      string `xml:"LoginName"`
	SPA        string
	SSL        string
	Encryption string `xml:",omitempty"`
	Auth       string `xml:"AuthRequired"`
}

func (s *Server) outlook(w http.ResponseWriter, r *http.Request) error {
	b, err := io.ReadAll(io.LimitReader(r.Body, 16<<10))
	if err != nil {
		return mail.Wrap(mail.BadSyntax, err)
	}
	var q autodiscover
	if err := xml.Unmarshal(b, &q); err != nil {
		return mail.Wrap(mail.BadSyntax, err)
	}
	address := strings.TrimSpace(q.Request.Address)
	if !strings.Contains(address, "@") {
		return mail.Refuse(mail.NotFound, "kind-not-found")
	}
	if _, err := s.domain(r.Context(), address); err != nil {
		return err
	}
	if q.Request.Schema != "" && q.Request.Schema != outlookSchema { // ActiveSync and others
		return mail.Refuse(mail.NotFound, "kind-not-found")
	}
	var out discovered
	out.Response.Name, out.Response.Type, out.Response.Action = address, "email", "settings"
	add := func(kind string, tls, startTLS int) {
		f := found{Type: kind, Server: s.Host, Port: tls, Domain: "off", Login: address, SPA: "off", SSL: "on", Auth: "on"}
		if tls == 0 {
			f.Port, f.Encryption = startTLS, "TLS"
		}
		if f.Port != 0 {
			out.Response.Servers = append(out.Response.Servers, f)
		}
	}
	add("IMAP", s.IMAPS, s.IMAP)
	add("SMTP", s.Submissions, s.Submission)
	return answer(w, &out)
}

func answer(w http.ResponseWriter, v any) error {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	b.WriteByte('\n')
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, err := b.WriteTo(w)
	return err
}
