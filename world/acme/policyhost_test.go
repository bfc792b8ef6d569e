package acme

import (
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"
)

// The name of our policy for others (MTA-STS) gets a certificate of its own,
// and who asks for that name is shown it.
func TestThePolicyHostGetsItsCertificate(t *testing.T) {
	s, p := server(t, true, true, `(?m)^resolver = ""`, fmt.Sprintf("resolver = %q", resolver(t)))
	s.Start()
	for _, name := range []string{hostname, "mta-sts.home.test"} {
		eventually(t, "a certificate for "+name, func() error {
			conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", s.Ports["https"], &tls.Config{ServerName: name, RootCAs: p.roots})
			if err != nil {
				return err
			}
			defer conn.Close()
			if got := conn.ConnectionState().PeerCertificates[0].DNSNames; len(got) != 1 || got[0] != name {
				return fmt.Errorf("the certificate is for %v", got)
			}
			return nil
		})
	}
}
