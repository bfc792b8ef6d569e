package sanitize

import (
	"net/url"
	"strings"
)

// reporting are the hosts and paths at which senders' services count who has
// opened a mail, for pixels that do not say how small they are. "" stands for any
// host: houses of their own use the services' programs under their own names.
var reporting = []struct{ host, path string }{
	{"list-manage.com", "/track/"}, {"mandrillapp.com", "/track/"}, {"", "/track/open.php"},
	{"", "/wf/open"}, // SendGrid
	{"awstrack.me", "/i0/"}, {"", "/ci0/"},
	{"pstmrk.it", "/open"}, {"mailtrack.io", "/trace/"}, {"mailgun.org", "/o/"}, {"", "/tr/op/"}, {"", "/tr/p.gif"}, // Mailgun, Brevo
	{"mjt.lu", "/oo/"}, {"", "/oo/"}, // Mailjet
	{"hubspotemail.net", "/"}, {"hubspot.com", "/__ptq.gif"}, {"hs-analytics.net", "/"},
	{"exct.net", "/open.aspx"}, {"", "/open.aspx"}, // Salesforce
	{"", "/trk/open"}, {"", "/e/o/"}, {"klaviyomail.com", "/open"}, {"ct.sendgrid.net", "/"},
	{"google-analytics.com", "/"}, {"doubleclick.net", "/"}, {"facebook.com", "/tr"}, {"bat.bing.com", "/"}, {"px.ads.linkedin.com", "/"},
	{"getnotify.com", "/"}, {"readnotify.com", "/"}, {"bananatag.com", "/"}, {"yesware.com", "/t/"}, {"streak.com", "/e/"}, {"superhuman.com", "/img/"}, {"mixmax.com", "/api/track/"},
	{"emltrk.com", "/"}, {"litmus.com", "/"}, {"returnpath.net", "/pixel"}, {"sailthru.com", "/open"}, {"infusionsoft.com", "/app/emailopened"},
	{"createsend.com", "/t/"}, {"cmail19.com", "/t/"}, {"cmail20.com", "/t/"},
}

// reports says whether a picture is one that tells its sender who reads.
func reports(u *url.URL) bool {
	host, path := "."+strings.ToLower(u.Hostname()), strings.ToLower(u.Path)
	for _, r := range reporting {
		if (r.host == "" || strings.HasSuffix(host, "."+r.host)) && strings.HasPrefix(path, r.path) {
			return true
		}
	}
	return false
}
