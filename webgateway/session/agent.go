package session

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"colporteur/mail"
)

// Client is from where a request comes.
func Client(r *http.Request) mail.Client {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, _ := netip.ParseAddr(host)
	return mail.Client{IP: ip.Unmap(), Protocol: "HTTP"}
}

// agentOf is a browser as people call it. What it cannot tell is its name alone.
func agentOf(ua string) string {
	find := func(names ...string) string {
		for _, n := range names {
			mark, name, ok := strings.Cut(n, "=")
			if !ok {
				name = mark
			}
			if strings.Contains(ua, mark) {
				return name
			}
		}
		return ""
	}
	// The order matters: each pretends to be those after it.
	browser := find("Firefox", "FxiOS=Firefox", "Edg=Edge", "OPR/=Opera", "SamsungBrowser=Samsung Internet", "Chrome", "CriOS=Chrome", "Safari", "curl")
	system := find("iPhone", "iPad", "Android", "Windows", "Mac OS X=macOS", "CrOS=ChromeOS", "Linux")
	switch {
	case browser == "" && system == "":
		return ""
	case browser == "" || system == "":
		return browser + system
	}
	return browser + ", " + system
}
