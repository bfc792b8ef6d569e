package records_test

import (
	"context"
	"net"

	"colporteur/dns"
)

// oneText is a DNS that has one text at each name, and nothing else.
type oneText string

func (oneText) Ask(_ context.Context, name string, _ uint16) (dns.Answer, error) {
	return dns.Answer{Name: name, Exists: true}, nil
}

func (s oneText) LookupTXT(context.Context, string) ([]string, error) {
	return []string{string(s)}, nil
}

func (oneText) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	return nil, &net.DNSError{Name: name, IsNotFound: true}
}

func (oneText) LookupAddr(_ context.Context, name string) ([]string, error) {
	return nil, &net.DNSError{Name: name, IsNotFound: true}
}
