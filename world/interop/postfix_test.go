package interop

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"colporteur/dns/dnstest"
)

// postfix is Debian's Postfix as the other side, with OpenDKIM and OpenDMARC
// looking at what comes. It asks the zone by a resolv.conf of its own.
type postfix struct {
	t       *testing.T
	dir, ip string
	domain  string
	port    int
}

// startPostfix serves domain at ip and port. Its resolver is zone, whose
// address has port 53.
func startPostfix(t *testing.T, zone *dnstest.Zone, domain, ip string, port int, peer string, cert tls.Certificate) *postfix {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("Postfix can only be started by root")
	}
	for program, pkg := range map[string]string{"/usr/sbin/postfix": "postfix", "opendkim": "opendkim", "opendmarc": "opendmarc", "unshare": "util-linux"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing: install Debian's package %s (make deps does)", program, pkg)
		}
	}
	dir, err := os.MkdirTemp("/tmp", "postfix") // its users must be able to walk there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &postfix{t: t, dir: dir, ip: ip, domain: domain, port: port}
	id := func(name string) (uid, gid int) {
		u, err := user.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		uid, _ = strconv.Atoi(u.Uid)
		gid, _ = strconv.Atoi(u.Gid)
		return uid, gid
	}
	mailUID, mailGID := id("mail")
	pfUID, _ := id("postfix")
	for name, uid := range map[string]int{"": 0, "etc": 0, "queue": 0, "data": pfUID, "box": mailUID} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		os.Chown(filepath.Join(dir, name), uid, -1)
	}
	os.Chmod(dir, 0o755)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	p.write("etc/key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	p.write("etc/cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})))
	host, _, _ := net.SplitHostPort(zone.Addr)
	p.write("resolv.conf", "nameserver "+host+"\noptions trust-ad timeout:2 attempts:2\n")
	p.write("etc/main.cf", fmt.Sprintf(`compatibility_level = 3.7
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = /dev/stdout
myhostname = mail.%[2]s
myorigin = %[2]s
mydestination =
mynetworks = %[3]s/32
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
virtual_mailbox_domains = %[2]s
virtual_mailbox_base = %[1]s/box
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:%[4]d
virtual_gid_maps = static:%[5]d
virtual_minimum_uid = 8
transport_maps = inline:{%[6]s=smtp:%[6]s:%[7]d}
smtpd_milters = unix:%[1]s/dkim.sock, unix:%[1]s/dmarc.sock
milter_default_action = tempfail
smtpd_tls_security_level = may
smtpd_tls_chain_files = %[1]s/etc/key.pem, %[1]s/etc/cert.pem
smtpd_tls_received_header = yes
smtp_tls_security_level = dane
smtp_dns_support_level = dnssec
smtp_tls_loglevel = 1
smtp_bind_address = %[3]s
smtputf8_enable = yes
`, dir, domain, ip, mailUID, mailGID, peer, port))
	p.write("etc/master.cf", fmt.Sprintf(`%s:%d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`, ip, port))
	p.write("opendkim.conf", fmt.Sprintf("Mode v\nSocket local:%[1]s/dkim.sock\nUMask 000\nAuthservID mail.%[2]s\nAlwaysAddARHeader yes\nUserID root\nBackground no\nOn-KeyNotFound accept\nOn-BadSignature accept\nLogWhy yes\nSyslog no\nInternalHosts 192.0.2.1\nResolverConfiguration %[1]s/unbound.conf\n", dir, domain))
	// Its resolver library thinks that .test does not exist (RFC 6761), and asks
	// nobody on loopback.
	p.write("unbound.conf", fmt.Sprintf("server:\n  local-zone: \"test.\" nodefault\n  do-not-query-localhost: no\n  module-config: \"iterator\"\nforward-zone:\n  name: \".\"\n  forward-addr: %s\n", host))
	p.write("opendmarc.conf", fmt.Sprintf("Socket local:%[1]s/dmarc.sock\nUMask 000\nAuthservID mail.%[2]s\nTrustedAuthservIDs mail.%[2]s\nSPFSelfValidate true\nSPFIgnoreResults true\nRejectFailures false\nSyslog false\nIgnoreHosts /dev/null\nBackground false\n", dir, domain))
	p.write("start", fmt.Sprintf(`#!/bin/sh
mount --bind %[1]s/resolv.conf /etc/resolv.conf
opendkim -f -x %[1]s/opendkim.conf &
opendmarc -f -c %[1]s/opendmarc.conf &
for i in $(seq 100); do [ -S %[1]s/dkim.sock ] && [ -S %[1]s/dmarc.sock ] && break; sleep 0.05; done
exec postfix -c %[1]s/etc start-fg
`, dir))
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", filepath.Join(dir, "start"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The namespace's first process is Postfix: with it all others end.
		// unshare's own way to see to that ends where Postfix changes its user.
		pid := strconv.Itoa(cmd.Process.Pid)
		if b, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children"); err == nil {
			if first, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
				syscall.Kill(first, syscall.SIGKILL)
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
		log.Close()
		if t.Failed() {
			t.Logf("postfix said:\n%s", p.log())
		}
	})
	eventually(t, "Postfix's greeting", func() bool {
		c, err := net.DialTimeout("tcp", net.JoinHostPort(ip, strconv.Itoa(port)), time.Second)
		if err != nil {
			return false
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(2 * time.Second))
		b := make([]byte, 3)
		n, _ := c.Read(b)
		return string(b[:n]) == "220"
	})
	return p
}

func (p *postfix) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *postfix) log() string {
	b, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	return string(b)
}

// mails are those that were delivered, whoever they were for.
func (p *postfix) mails() (all []string) {
	files, _ := filepath.Glob(filepath.Join(p.dir, "box", "all", "new", "*"))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil {
			all = append(all, strings.ReplaceAll(string(b), "\n", "\r\n"))
		}
	}
	return all
}

// tlsa is the DANE record of a certificate: 3 1 1.
func tlsa(cert tls.Certificate) string {
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	return "3 1 1 " + hex.EncodeToString(sum[:])
}
