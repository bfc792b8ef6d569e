// Package config is the one configuration file of a host, read whole, with all
// its problems reported at once.
//
// # Keys
//
// The file is TOML. Every key has a default from its profile: "server", or
// "dev" for a host on a laptop's loopback. A key that is not in Config is an
// error: a misspelt limit must not silently mean no limit.
package config

import (
	"net/netip"
	"path/filepath"
)

// Profiles of a host.
const (
	Dev    = "dev"
	Server = "server"
)

// Modes of TLS material.
const (
	ACME       = "acme"
	Files      = "files"
	SelfSigned = "selfsigned"
)

// Config is one host. Load makes one.
type Config struct {
	Path string `toml:"-"` // of the file it was read from

	Profile  string `toml:"profile"`
	Hostname string `toml:"hostname"`
	Data     string `toml:"data"` // absolute after Load

	Database Database `toml:"database"`
	Blobs    Blobs    `toml:"blobs"`
	DNS      DNS      `toml:"dns"`
	Origin   Origin   `toml:"origin"`
	TLS      TLS      `toml:"tls"`
	SMTP     SMTP     `toml:"smtp"`
	IMAP     IMAP     `toml:"imap"`
	Login    Login    `toml:"login"`
	Web      Web      `toml:"web"`
	Relay    Relay    `toml:"relay"`
	Secrets  Secrets  `toml:"secrets"`
	Metrics  Metrics  `toml:"metrics"`
	Sieve    Sieve    `toml:"sieve"`
	Limits   Limits   `toml:"limits"`
}

type Database struct {
	URL string `toml:"url"` // "sqlite" or postgres://…
}

type Blobs struct {
	URL    string `toml:"url"` // "file"
	Inline Size   `toml:"inline"`
}

type Login struct {
	SCRAM bool `toml:"scram"`
}

type DNS struct {
	Resolver string `toml:"resolver"` // "" is the system's
	// TrustAD believes a resolver that is not on loopback when it says that it
	// validated an answer (DNSSEC); DANE rests on that.
	TrustAD bool   `toml:"trust_ad"`
	Update  Update `toml:"update"`
}

// Update is where our own records are published by themselves (RFC 2136,
// signed with TSIG, RFC 8945). Without a server they are printed for a person.
type Update struct {
	Server    string `toml:"server"` // host:port of the primary; "" publishes nothing
	Zone      string `toml:"zone"`   // "" is found by asking for the SOA
	KeyName   string `toml:"key_name"`
	Algorithm string `toml:"algorithm"` // "hmac-sha256" unless said
	Secret    string `toml:"secret"`    // path of a file with the key in base64; absolute after Load
}

// Origin is whom we believe about where mail comes from.
type Origin struct {
	// TrustedSealers are domains whose ARC seals are believed (RFC 8617).
	TrustedSealers List `toml:"trusted_sealers"`
	// Forwarders are networks, or domains proven by SPF or DKIM, whose
	// forwarded mail is not refused for what forwarding breaks.
	Forwarders List `toml:"forwarders"`
}

type TLS struct {
	Mode          string `toml:"mode"`
	ACMEDirectory string `toml:"acme_directory"`
	ACMECA        string `toml:"acme_ca"` // PEM: whom the directory's own certificate is from; "" is one that everybody trusts
	Cert          string `toml:"cert"`    // mode "files": PEM, the chain with the leaf first
	Key           string `toml:"key"`
}

type SMTP struct {
	MX                List     `toml:"mx"`
	Submission        List     `toml:"submission"`
	Submissions       List     `toml:"submissions"`
	ProxyProtocolFrom Networks `toml:"proxy_protocol_from"`
}

type IMAP struct {
	StartTLS List `toml:"starttls"`
	TLS      List `toml:"tls"`

	// Connections at once. A school behind one address needs more than a family.
	PerAddress int `toml:"per_address"`
	PerMember  int `toml:"per_member"`
}

type Web struct {
	Listen     List   `toml:"listen"`
	HTTP       List   `toml:"http"`
	URL        string `toml:"url"` // without a slash at its end
	ContentURL string `toml:"content_url"`
}

type Relay struct {
	Port         int    `toml:"port"`
	AllowPrivate bool   `toml:"allow_private"`
	Smarthost    string `toml:"smarthost"`
}

type Secrets struct {
	Key string `toml:"key"` // path; absolute after Load
}

type Metrics struct {
	Listen List `toml:"listen"`
}

type Sieve struct {
	Listen List `toml:"listen"`
}

type Limits struct {
	Message  Size `toml:"message"`
	Drop     Size `toml:"drop"`
	Outgoing Size `toml:"outgoing"` // encoded; what hosts elsewhere take
}

// Networks are CIDR prefixes; a bare address is its own network.
type Networks []netip.Prefix

// Defaults is a configuration of a profile in which only hostname and data
// must still be set; Web.URL and Secrets.Key follow from those where they can.
func Defaults(profile string) Config {
	c := Config{
		Profile:  profile,
		Database: Database{URL: "sqlite"},
		Blobs:    Blobs{URL: "file", Inline: 16 << 10},
		TLS:      TLS{Mode: ACME},
		SMTP:     SMTP{MX: List{":25"}, Submission: List{":587"}, Submissions: List{":465"}},
		IMAP:     IMAP{StartTLS: List{":143"}, TLS: List{":993"}, PerAddress: 60, PerMember: 40},
		Web:      Web{Listen: List{":443"}, HTTP: List{":80"}},
		Relay:    Relay{Port: 25},
		Secrets:  Secrets{Key: "/etc/colporteur/key"},
		Metrics:  Metrics{Listen: List{"127.0.0.1:9465"}},
		Sieve:    Sieve{Listen: List{":4190"}},
		Limits:   Limits{Message: 50 << 20, Drop: MaxDrop, Outgoing: 15 << 20},
	}
	if profile == Dev {
		c.TLS.Mode = SelfSigned
		c.SMTP = SMTP{MX: List{"127.0.0.1:2525"}, Submission: List{"127.0.0.1:2587"}, Submissions: List{"127.0.0.1:2465"}}
		c.IMAP.StartTLS, c.IMAP.TLS = List{"127.0.0.1:2143"}, List{"127.0.0.1:2993"}
		c.Web = Web{HTTP: List{"127.0.0.1:8080"}, URL: "http://localhost:8080"}
		c.Relay.AllowPrivate = true
		c.Sieve.Listen = List{"127.0.0.1:4190"}
		c.Secrets.Key = ""
	}
	return c
}

// complete fills in what follows from other keys. Relative paths count from
// base, the folder of the file.
func (c *Config) complete(base string) {
	c.Data = absolute(base, c.Data)
	if c.Secrets.Key == "" && c.Profile == Dev && c.Data != "" {
		c.Secrets.Key = filepath.Join(c.Data, "key")
	}
	c.Secrets.Key = absolute(base, c.Secrets.Key)
	c.DNS.Update.Secret = absolute(base, c.DNS.Update.Secret)
	c.TLS.ACMECA = absolute(base, c.TLS.ACMECA)
	c.TLS.Cert = absolute(base, c.TLS.Cert)
	c.TLS.Key = absolute(base, c.TLS.Key)
	if c.Web.URL == "" && isHostname(c.Hostname) {
		c.Web.URL = "https://" + c.Hostname
	}
}

func absolute(base, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

// DatabaseURL is what store.Open takes.
func (c *Config) DatabaseURL() string {
	if c.Database.URL == "sqlite" {
		return "sqlite:" + filepath.Join(c.Data, "colporteur.db")
	}
	return c.Database.URL
}

// BlobDir is the folder of the blobs' files.
func (c *Config) BlobDir() string { return filepath.Join(c.Data, "blobs") }

// ControlSocket is where a running server takes commands.
func (c *Config) ControlSocket() string { return filepath.Join(c.Data, "control.sock") }
