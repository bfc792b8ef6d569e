package main

import (
	"strings"

	"colporteur/config"
	"colporteur/dns"
	"colporteur/host"
	"colporteur/locale"
)

// published compares what our domains should publish with what the DNS says.
func (f *findings) published(cfg *config.Config, p locale.Printer) {
	zones, err := ask[[]zone](f.c, cfg, "records", "")
	if err != nil {
		f.bad("What our domains should publish cannot be told: %s.", strings.TrimSuffix(sentence(err), "."))
		return
	}
	client := &dns.Client{TrustAD: cfg.DNS.TrustAD}
	if cfg.DNS.Resolver != "" {
		client.Servers = []string{cfg.DNS.Resolver}
	}
	for _, one := range host.Published(f.c.ctx, client, zones, cfg.Profile == config.Dev, p) {
		says := strings.TrimSpace(one.Text + " " + one.Do)
		says = strings.ReplaceAll(tidyLines(says), "\n", "\n       ")
		switch one.State {
		case host.Bad:
			f.bad("%s", says)
		case host.Good:
			f.good("%s", says)
		default:
			f.note("%s", says)
		}
	}
}

// tidyLines is tidy for what has lines of its own.
func tidyLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = tidy(l)
	}
	return strings.Join(lines, "\n")
}
