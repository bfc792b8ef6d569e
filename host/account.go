package host

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/smallstep/pkcs7"

	"colporteur/config"
	"colporteur/webgateway/account"
)

// wireAccount serves the pages where members look after their own account.
func (h *Host) wireAccount() {
	s := h.Gateway.Autoconfig
	h.Gateway.Account = &account.Pages{Pages: h.Gateway.Pages, Doors: h.Gateway.Doors, Accounts: h.Accounts, Mailboxes: h.Mailboxes, Notify: h.Notify,
		Tidy: h.Tidy, Trust: h.Trust, DB: h.DB, URL: h.Config.Web.URL, Sign: h.signProfile, Now: h.opt.Now,
		Servers: account.Servers{Host: s.Host, IMAPS: s.IMAPS, IMAP: s.IMAP, Submissions: s.Submissions, Submission: s.Submission}}
}

// signProfile signs with the certificate of the web site (CMS, RFC 5652 §5), whose
// name the device then shows. One of our own making is believed nowhere: it signs
// nothing.
func (h *Host) signProfile(content []byte) ([]byte, bool, error) {
	if h.opt.TLS == nil || h.Config.TLS.Mode == config.SelfSigned {
		return content, false, nil
	}
	cert, err := h.certificate()
	if err != nil { // the authority has not given one yet
		return content, false, nil
	}
	if content == nil {
		return nil, true, nil
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, false, err
	}
	key, ok := cert.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, false, errors.New("profile: the key of the certificate does not sign")
	}
	d, err := pkcs7.NewSignedData(content)
	if err != nil {
		return nil, false, err
	}
	d.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := d.AddSigner(leaf, key, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, false, fmt.Errorf("profile: %w", err)
	}
	for _, der := range cert.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			d.AddCertificate(c)
		}
	}
	out, err := d.Finish()
	return out, err == nil, err
}

// certificate is the one that a browser would see now.
func (h *Host) certificate() (*tls.Certificate, error) {
	c := h.opt.TLS
	if c.GetCertificate != nil {
		return c.GetCertificate(&tls.ClientHelloInfo{ServerName: h.Config.Hostname, SupportedVersions: []uint16{tls.VersionTLS13},
			CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256}})
	}
	if len(c.Certificates) == 0 {
		return nil, errors.New("there is no certificate yet")
	}
	return &c.Certificates[0], nil
}
