package config

import (
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// MaxDrop bounds limits.drop: SIZE is counted in 32 bits by the SMTP library,
// and encoded files are larger than the files.
const MaxDrop Size = 3 << 30

// MinOutgoing bounds limits.outgoing, and a member's own, from below.
const MinOutgoing Size = 1 << 20

type report func(key, format string, args ...any)

// check looks at every value; complete has run.
func check(c *Config, bad report) {
	switch c.Profile {
	case Dev, Server:
	default:
		bad("profile", "%q is neither %q nor %q", c.Profile, Dev, Server)
	}
	if c.Hostname == "" {
		bad("hostname", "is missing: the name of this server, such as mail.example.org")
	} else if !isHostname(c.Hostname) {
		bad("hostname", "%q is not a host name", c.Hostname)
	}
	if c.Data == "" {
		bad("data", "is missing: the folder for mail and database")
	}
	checkStore(c, bad)
	if c.DNS.Resolver != "" {
		if _, err := netip.ParseAddrPort(c.DNS.Resolver); err != nil {
			bad("dns.resolver", "%q is not an address with a port, such as 127.0.0.1:53", c.DNS.Resolver)
		}
	}
	checkUpdate(c, bad)
	checkOrigin(c, bad)
	checkTLS(c, bad)
	checkListeners(c, bad)
	for key, n := range map[string]int{"imap.per_address": c.IMAP.PerAddress, "imap.per_member": c.IMAP.PerMember} {
		if n < 1 {
			bad(key, "%d lets nobody in: say how many connections at once", n)
		}
	}
	if c.Web.URL != "" { // it follows from hostname: what is wrong there is said once
		checkURL("web.url", c.Web.URL, bad)
	}
	if c.Web.ContentURL != "" {
		checkURL("web.content_url", c.Web.ContentURL, bad)
	}
	if c.Relay.Port < 1 || c.Relay.Port > 65535 {
		bad("relay.port", "%d is not a port", c.Relay.Port)
	}
	if s := c.Relay.Smarthost; s != "" {
		host, port, err := net.SplitHostPort(s)
		if err != nil {
			host, port = s, "25"
		}
		if _, err := netip.ParseAddr(host); err != nil && !isHostname(host) || !isPort(port) {
			bad("relay.smarthost", "%q is not a host, nor host:port", s)
		}
	}
	if c.Limits.Message <= 0 {
		bad("limits.message", "must be above 0")
	}
	if c.Limits.Drop <= 0 || c.Limits.Drop > MaxDrop {
		bad("limits.drop", "must be above 0 and at most %s", MaxDrop)
	}
	if c.Limits.Outgoing < MinOutgoing {
		bad("limits.outgoing", "must be at least %s: smaller mail passes everywhere", MinOutgoing)
	}
}

func checkUpdate(c *Config, bad report) {
	u := c.DNS.Update
	if u.Server == "" {
		if u != (Update{}) {
			bad("dns.update.server", "is missing: the address with a port of the name server that takes updates")
		}
		return
	}
	if host, port, err := net.SplitHostPort(u.Server); err != nil || host == "" || !isPort(port) {
		bad("dns.update.server", "%q is not host:port, such as 127.0.0.1:53", u.Server)
	}
	if u.KeyName == "" {
		bad("dns.update.key_name", "is missing: the name of the TSIG key; updates are never sent unsigned")
	}
	if u.Secret == "" {
		bad("dns.update.secret", "is missing: the path of a file with the TSIG key in base64")
	}
	switch u.Algorithm {
	case "", "hmac-sha256", "hmac-sha384", "hmac-sha512":
	default:
		bad("dns.update.algorithm", "%q is none of hmac-sha256, hmac-sha384, hmac-sha512", u.Algorithm)
	}
}

func checkOrigin(c *Config, bad report) {
	for _, d := range c.Origin.TrustedSealers {
		if !isHostname(d) {
			bad("origin.trusted_sealers", "%q is not a domain", d)
		}
	}
	for _, f := range c.Origin.Forwarders {
		_, noNet := netip.ParsePrefix(f)
		_, noAddr := netip.ParseAddr(f)
		if noNet != nil && noAddr != nil && !isHostname(f) {
			bad("origin.forwarders", "%q is neither a network, an address nor a domain", f)
		}
	}
}

func checkStore(c *Config, bad report) {
	switch u := c.Database.URL; {
	case u == "sqlite":
	case strings.HasPrefix(u, "postgres://"), strings.HasPrefix(u, "postgresql://"):
		if _, err := url.Parse(u); err != nil {
			bad("database.url", "cannot be read as an address") // err would repeat a password
		}
	default:
		bad("database.url", "must be \"sqlite\" or postgres://…")
	}
	switch {
	case c.Blobs.URL == "file":
	case strings.HasPrefix(c.Blobs.URL, "s3://"):
		bad("blobs.url", "object stores are not built yet: use \"file\"")
	default:
		bad("blobs.url", "must be \"file\"")
	}
	if c.Blobs.Inline > 1<<20 {
		bad("blobs.inline", "must be at most 1MiB: larger bodies belong in files")
	}
	switch {
	case c.Secrets.Key == "" && c.Data != "":
		bad("secrets.key", "is missing: the path of the master key")
	case c.Profile != Dev && c.Data != "" && inside(c.Data, c.Secrets.Key):
		bad("secrets.key", "lies inside data, where a copy of the mail would carry its own key: put it elsewhere, such as /etc/colporteur/key")
	}
}

func inside(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func checkTLS(c *Config, bad report) {
	switch c.TLS.Mode {
	case ACME, SelfSigned:
		if c.TLS.Cert != "" || c.TLS.Key != "" {
			bad("tls.cert", "is only for mode \"files\"")
		}
		if c.TLS.Mode == ACME && len(c.Web.HTTP) == 0 && len(c.Web.Listen) == 0 {
			bad("tls.mode", "\"acme\" needs web.http or web.listen: there the authority asks whether the name is ours")
		}
	case Files:
		if c.TLS.Cert == "" {
			bad("tls.cert", "is missing: the path of the certificate chain (mode \"files\")")
		}
		if c.TLS.Key == "" {
			bad("tls.key", "is missing: the path of the certificate's key (mode \"files\")")
		}
	default:
		bad("tls.mode", "%q is none of \"acme\", \"files\", \"selfsigned\"", c.TLS.Mode)
	}
	if c.TLS.ACMEDirectory != "" {
		checkURL("tls.acme_directory", c.TLS.ACMEDirectory, func(key, format string, args ...any) {
			if !strings.HasPrefix(c.TLS.ACMEDirectory, "https://") {
				bad(key, format, args...)
			}
		})
	}
}

// Listeners are the keys that listen, with their addresses.
func (c *Config) Listeners() []struct {
	Key  string
	List List
} {
	return []struct {
		Key  string
		List List
	}{
		{"smtp.mx", c.SMTP.MX}, {"smtp.submission", c.SMTP.Submission}, {"smtp.submissions", c.SMTP.Submissions},
		{"imap.starttls", c.IMAP.StartTLS}, {"imap.tls", c.IMAP.TLS},
		{"web.listen", c.Web.Listen}, {"web.http", c.Web.HTTP},
		{"metrics.listen", c.Metrics.Listen}, {"sieve.listen", c.Sieve.Listen},
	}
}

func checkListeners(c *Config, bad report) {
	taken := map[string]string{}
	for _, l := range c.Listeners() {
		for _, addr := range l.List {
			host, port, err := net.SplitHostPort(addr)
			if err != nil || !isPort(port) && port != "0" {
				bad(l.Key, "%q is not an address with a port, such as \":25\" or \"127.0.0.1:2525\"", addr)
				continue
			}
			ip, err := netip.ParseAddr(host)
			if host != "" && host != "localhost" && err != nil {
				bad(l.Key, "%q: the part before the port must be an IP address, or nothing for all of them", addr)
				continue
			}
			if l.Key == "metrics.listen" && host != "localhost" && !(err == nil && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast())) {
				bad(l.Key, "%q is public: metrics are for a loopback or private address", addr)
			}
			if port == "0" { // any free port: never taken
				continue
			}
			if by, ok := taken[addr]; ok {
				bad(l.Key, "%s is taken by %s already", addr, by)
			}
			taken[addr] = l.Key
		}
	}
}

func checkURL(key, s string, bad report) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		bad(key, "%q is not an address such as https://mail.example.org, without a path or a slash at its end", s)
	}
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n > 0 && n < 65536
}

func isHostname(s string) bool {
	if len(s) > 253 {
		return false
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
				return false
			}
		}
	}
	return true
}
