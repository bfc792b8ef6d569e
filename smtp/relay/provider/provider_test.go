package provider

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"colporteur/locale"
)

const (
	gmail    = "gmail-smtp-in.l.google.com"
	outlook  = "eur.olc.protection.outlook.com"
	exchange = "asso-fr.mail.protection.outlook.com"
	yahoo    = "mta7.am0.yahoodns.net"
	orange   = "smtp-in.orange.fr"
	laposte  = "smtpz4.laposte.net"
	free     = "mx1.free.fr"
	sfr      = "smtp-in.sfr.fr"
	bouygues = "mx.bbox.fr"
	icloud   = "mx01.mail.icloud.com"
	gmx      = "mx00.gmx.net"
	tonline  = "mx02.t-online.de"
	pphost   = "mx0a-001.pphosted.com"
	mimecast = "eu-smtp-inbound-1.mimecast.com"
	barra    = "d1.ess.barracudanetworks.com"
	gandi    = "spool.mail.gandi.net"
	other    = "mx.asso.test"
)

// replies are answers as these servers write them, and what they mean. Each
// refusal of the file has one at least.
var replies = []struct{ host, reply, provider, scope, meaning string }{
	{gmail, "421 4.7.28 Gmail has detected an unusual rate of mail originating from your 4.7.28 IP address. To protect our users from spam, mail sent from your IP 4.7.28 address has been temporarily rate limited. - gsmtp", "Gmail", "rate", "relay-why-busy"},
	{gmail, "550 5.7.28 There is an unusual rate of unsolicited mail originating from 5.7.28 your IP address. - gsmtp", "Gmail", "ip", "provider-blocked"},
	{gmail, "550 5.7.1 [192.0.2.7 12] Our system has detected an unusual rate of 5.7.1 unsolicited mail originating from your IP address. - gsmtp", "Gmail", "ip", "provider-blocked"},
	{gmail, "421 4.7.0 [192.0.2.7 15] Our system has detected an unusual rate of 4.7.0 unsolicited mail originating from your IP address. - gsmtp", "Gmail", "rate", "relay-why-busy"},
	{gmail, "421 4.7.0 This message is suspicious due to the very low reputation of the sending IP address. - gsmtp", "Gmail", "ip", "provider-blocked-now"},
	{gmail, "550 5.7.1 Our system has detected that this message is likely suspicious due to the very low reputation of the sending domain. - gsmtp", "Gmail", "domain", "provider-domain"},
	{gmail, "550 5.7.1 Our system has detected that this message is likely suspicious due to the very low reputation of the sending IP address. - gsmtp", "Gmail", "ip", "provider-blocked"},
	{gmail, "550 5.7.26 This mail has been blocked because the sender is unauthenticated. 5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM. - gsmtp", "Gmail", "auth", "provider-auth"},
	{gmail, "550 5.7.30 This mail has been blocked because DKIM does not pass. - gsmtp", "Gmail", "auth", "provider-auth"},
	{gmail, "421 4.7.32 Your email has been rate limited because the From: header (RFC5322) in 4.7.32 this message isn't aligned - gsmtp", "Gmail", "auth", "provider-auth-now"},
	{gmail, "550 5.7.1 This message does not have authentication information or fails to 5.7.1 pass authentication checks. - gsmtp", "Gmail", "auth", "provider-auth"},
	{gmail, "550 5.7.25 [192.0.2.7] The IP address sending this message does not have a 5.7.25 PTR record setup, or the corresponding forward DNS entry does not match - gsmtp", "Gmail", "ip", "provider-nameless"},
	{gmail, "421 4.7.23 [192.0.2.7] The IP address sending this message does not have a PTR record - gsmtp", "Gmail", "ip", "provider-nameless-now"},
	{gmail, "550 5.7.1 [2001:db8::7] Our system has detected that this message does not meet IPv6 sending guidelines regarding PTR records and authentication. - gsmtp", "Gmail", "ip", "provider-nameless"},
	{gmail, "550 5.7.29 This message wasn't sent over a TLS connection - gsmtp", "Gmail", "tls", "relay-why-tls"},
	{gmail, "421 4.7.0 TLS required for RCPT domain, closing connection. - gsmtp", "Gmail", "tls", "relay-why-tls"},
	{gmail, "552 5.2.2 The recipient's inbox is out of storage space and inactive. 5.2.2 https://support.google.com/mail/?p=OverQuotaPerm - gsmtp", "Gmail", "full", "provider-full-unused"},
	{gmail, "452 4.2.2 The recipient's inbox is out of storage space. Please direct the 4.2.2 recipient to https://support.google.com/mail/?p=OverQuotaTemp - gsmtp", "Gmail", "full", "relay-why-full"},
	{gmail, "450 4.2.1 The user you are trying to contact is receiving mail too quickly. - gsmtp", "Gmail", "recipient", "provider-recipient-busy"},
	{gmail, "550 5.1.1 The email account that you tried to reach does not exist. Please try 5.1.1 double-checking the recipient's email address - gsmtp", "Gmail", "recipient", "relay-why-no-such-user"},
	{gmail, "550 5.2.1 The email account that you tried to reach is disabled. - gsmtp", "Gmail", "recipient", "relay-why-disabled"},
	{gmail, "552 5.7.0 This message was blocked because its content presents a potential 5.7.0 security issue. https://support.google.com/mail/?p=BlockedMessage - gsmtp", "Gmail", "content", "provider-attachment"},
	{gmail, "550 5.7.1 Our system has detected that this message is 5.7.1 likely unsolicited mail. https://support.google.com/mail/?p=UnsolicitedMessageError - gsmtp", "Gmail", "content", "provider-spam"},
	{gmail, "550 5.7.1 This message violates example.com email policy. - gcdp x - gsmtp", "Gmail", "recipient", "provider-house-rule"},
	{gmail, "421 4.7.0 IP not in whitelist for RCPT domain, closing connection. - gsmtp", "Gmail", "recipient", "provider-house-rule"},
	{gmail, "552 5.3.4 Your message exceeded Google's message size limits. - gsmtp", "Gmail", "content", "relay-why-too-big"},
	{gmail, "550 5.7.1 Messages missing a valid address in From: 5.7.1 header, or having no From: header, are not accepted. - gsmtp", "Gmail", "content", "provider-malformed"},

	{outlook, "550 5.7.1 Unfortunately, messages from [192.0.2.7] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150). [DB3EUR04FT007.eop-eur04.prod.protection.outlook.com]", "Outlook.com", "ip", "provider-blocked"},
	{outlook, "550 5.7.1 Unfortunately, messages from [192.0.2.7] weren't sent. (S3140).", "Outlook.com", "ip", "provider-blocked"},
	{outlook, "550 OU-002 (COL004-MC1F1) Unfortunately, messages from 192.0.2.7 weren't sent.", "Outlook.com", "ip", "provider-blocked"},
	{outlook, "451 4.7.650 The mail server [192.0.2.7] has been temporarily rate limited due to IP reputation. (S775)", "Outlook.com", "rate", "relay-why-busy"},
	{outlook, "421 RP-001 The mail server IP connecting to Outlook.com server has exceeded the rate limit allowed.", "Outlook.com", "rate", "relay-why-busy"},
	{outlook, "550 SC-001 Mail rejected by Outlook.com for policy reasons.", "Outlook.com", "ip", "provider-blocked"},
	{outlook, "550 DY-001 Mail rejected by Outlook.com for policy reasons. We generally do not accept email from dynamic IP's.", "Outlook.com", "ip", "provider-blocked"},
	{outlook, "550 5.7.515 Access denied, sending domain asso.test does not meet the required authentication level.", "Outlook.com", "auth", "provider-auth"},
	{outlook, "550 CS-001 Mail rejected by Outlook.com for policy reasons: content of the message", "Outlook.com", "content", "provider-spam"},
	{outlook, "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).", "Outlook.com", "recipient", "relay-why-no-such-user"},
	{outlook, "552 5.2.2 Mailbox full", "Outlook.com", "full", "relay-why-full"},

	{exchange, "550 5.7.606 Access denied, banned sending IP [192.0.2.7]. To request removal from this list please visit https://sender.office.com/", "Microsoft 365", "ip", "provider-blocked"},
	{exchange, "550 5.7.511 Access denied, banned sender[192.0.2.7].", "Microsoft 365", "ip", "provider-blocked"},
	{exchange, "550 5.7.1 Service unavailable, Client host [192.0.2.7] blocked using Spamhaus. (AS16012612)", "Microsoft 365", "ip", "provider-blocked"},
	{exchange, "550 5.7.513 Service unavailable, Client host [192.0.2.7] blocked by asso.fr using Customer Block list (AS16012607)", "Microsoft 365", "recipient", "provider-house-rule"},
	{exchange, "550 5.7.1 Service unavailable, Client host blocked using Customer Block list (AS16012607)", "Microsoft 365", "recipient", "provider-house-rule"},
	{exchange, "451 4.7.500 Server busy. Please try again later from [192.0.2.7]. (AS77713602)", "Microsoft 365", "rate", "relay-why-busy"},
	{exchange, "451 4.7.850 Access denied, please try again later", "Microsoft 365", "rate", "relay-why-busy"},
	{exchange, "451 4.7.0 Temporary server error. AS(4800)", "Microsoft 365", "rate", "relay-why-busy"},
	{exchange, "550 5.7.509 Access denied, sending domain asso.test does not pass DMARC verification and has a DMARC policy of reject.", "Microsoft 365", "auth", "provider-auth"},
	{exchange, "550 5.7.25 Access denied, the sending IPv6 address [2001:db8::7] must have a reverse DNS record", "Microsoft 365", "ip", "provider-nameless"},
	{exchange, "550 5.7.501 Access denied, spam abuse detected from asso.test", "Microsoft 365", "domain", "provider-domain"},
	{exchange, "550 5.7.1 Message rejected as spam by Content Filtering. (AS780090)", "Microsoft 365", "content", "provider-spam"},
	{exchange, "550 5.4.1 Recipient address rejected: Access denied. [AM6EUR05FT047.eop-eur05.prod.protection.outlook.com] AS(201806281)", "Microsoft 365", "recipient", "relay-why-no-such-user"},
	{exchange, "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", "Microsoft 365", "recipient", "relay-why-no-such-user"},
	{exchange, "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required", "Microsoft 365", "recipient", "provider-house-rule"},
	{exchange, "554 5.2.0 STOREDRV.Deliver.Exception: MapiExceptionQuotaExceeded; the mailbox is full", "Microsoft 365", "full", "relay-why-full"},
	{exchange, "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded", "Microsoft 365", "recipient", "provider-recipient-busy"},
	{exchange, "552 5.3.4 Message size exceeds fixed maximum message size", "Microsoft 365", "content", "relay-why-too-big"},

	{yahoo, "553 5.7.2 [TSS09] All messages from 192.0.2.7 will be permanently deferred; Retrying will NOT succeed.", "Yahoo", "ip", "provider-blocked"},
	{yahoo, "421 4.7.0 [TSS04] Messages from 192.0.2.7 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes", "Yahoo", "rate", "relay-why-busy"},
	{yahoo, "421 4.7.0 [TS01] Messages from 192.0.2.7 temporarily deferred due to user complaints", "Yahoo", "rate", "relay-why-busy"},
	{yahoo, "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.7, because the ip is in Spamhaus's list", "Yahoo", "ip", "provider-blocked"},
	{yahoo, "550 5.7.9 This mail has been blocked because the sender is unauthenticated. Yahoo requires all senders to authenticate with either SPF or DKIM.", "Yahoo", "auth", "provider-auth"},
	{yahoo, "554 Message not allowed - [PH01] Email not accepted for policy reasons.", "Yahoo", "content", "provider-spam"},
	{yahoo, "451 Message temporarily deferred due to unresolvable RFC.5321 from domain.", "Yahoo", "domain", "provider-sender"},
	{yahoo, "450 User is receiving mail too quickly", "Yahoo", "recipient", "provider-recipient-busy"},
	{yahoo, "554 30 Sorry, your message to ann@aol.com cannot be delivered. This mailbox is disabled (554.30)", "Yahoo", "recipient", "relay-why-disabled"},
	{yahoo, "554 delivery error: dd This user doesn't have a yahoo.com account (ann@yahoo.com)", "Yahoo", "recipient", "relay-why-no-such-user"},
	{yahoo, "552 5.2.2 user is over quota", "Yahoo", "full", "relay-why-full"},

	{orange, "550 mwinf5c04 ME Adresse IP source bloquee pour incident de spam. Client host blocked for spamming issues. OFR006_102 Ref http://www.orange.fr/postmaster", "Orange", "ip", "provider-blocked-now"},
	{orange, "421 mwinf5c77 ME Service refuse. Veuillez essayer plus tard. Service refused, please try later. OFR_999 [999]", "Orange", "ip", "provider-blocked-now"},
	{orange, "421 mwinf5c10 ME Trop de connexions, veuillez verifier votre configuration. Too many connections, slow down. OFR004_104 [104]", "Orange", "rate", "relay-why-busy"},
	{orange, "550 5.2.0 Mail rejete. Mail rejected. ofr_506 [506]", "Orange", "content", "provider-spam"},
	{orange, "550 5.5.0 SPF: asso.test is not allowed to send mail. OFR004_401 [401]", "Orange", "auth", "provider-auth"},
	{orange, "501 5.1.0 Emetteur invalide. Invalid Sender. OFR_415 [415]", "Orange", "sender", "provider-sender"},
	{orange, "550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416 [416]", "Orange", "recipient", "relay-why-no-such-user"},
	{orange, "552 5.1.1 Boite du destinataire pleine. Recipient overquota. OFR_417 [417]", "Orange", "full", "relay-why-full"},
	{orange, "550 5.2.1 Boite du destinataire archivee. Archived recipient. OFR_420 [420]", "Orange", "recipient", "relay-why-disabled"},
	{orange, "552 5.3.4 Taille limite du message atteinte. OFR_514 [514]", "Orange", "content", "relay-why-too-big"},

	{laposte, "450 4.7.1 Client host rejected: Service refuse. Veuillez essayer plus tard. Service refused, please try later. LPN027_503", "La Poste", "ip", "provider-blocked-now"},
	{laposte, "421 4.7.0 Too many connections, slow down. LPN105_104", "La Poste", "rate", "relay-why-busy"},
	{laposte, "550 5.5.0 Service refuse. Veuillez essayer plus tard. service refused, please try later. LPN007_510", "La Poste", "content", "provider-spam"},
	{laposte, "550 5.7.1 DMARC policy rejection. LPN007_517", "La Poste", "auth", "provider-auth"},
	{laposte, "450 4.1.8 Emetteur invalide. Invalid Sender. LPN007_405", "La Poste", "sender", "provider-sender"},
	{laposte, "550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. LPN007_416", "La Poste", "recipient", "relay-why-no-such-user"},
	{laposte, "552 5.1.1 Boite du destinataire pleine. Recipient overquota. LPN007_417", "La Poste", "full", "relay-why-full"},
	{laposte, "550 5.5.0 Le compte du destinataire est bloque. The recipient account isblocked. LPN007_426", "La Poste", "recipient", "relay-why-disabled"},

	{free, "550 Too many spams from your IP (192.0.2.7), please visit http://postmaster.free.fr/", "Free", "ip", "provider-blocked-now"},
	{free, "421 Too many errors from your ip (192.0.2.7), please visit http://postmaster.free.fr/", "Free", "ip", "provider-blocked-now"},
	{free, "421 Too many connections from your ip", "Free", "rate", "relay-why-busy"},
	{free, "550 spam detected", "Free", "content", "provider-spam"},
	{free, "552 user overquota", "Free", "full", "relay-why-full"},
	{free, "550 5.1.1 <ann@free.fr>: user unknown", "Free", "recipient", "relay-why-no-such-user"},

	{sfr, "450 4.7.1 Client host rejected: Service refused due to bad behavior. SFR_IN_101", "SFR", "ip", "provider-blocked-now"},
	{sfr, "421 4.7.0 msfrf2604.sfr.fr Error: too many errors", "SFR", "rate", "relay-why-busy"},
	{sfr, "450 4.7.1 Client host rejected. SFR_IN_205", "SFR", "rate", "relay-why-busy"},
	{sfr, "550 5.7.1 Message content rejected", "SFR", "content", "provider-spam"},

	{bouygues, "554 5.7.1 Client host [192.0.2.7] blocked", "Bouygues Telecom", "ip", "provider-blocked"},
	{bouygues, "550 5.7.1 Mail appears to be unsolicited", "Bouygues Telecom", "content", "provider-spam"},
	{bouygues, "421 4.7.0 Error: too many connections from 192.0.2.7", "Bouygues Telecom", "rate", "relay-why-busy"},

	{icloud, "550 5.7.0 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.7", "iCloud", "ip", "provider-blocked"},
	{icloud, "550 5.7.1 Mail from IP 192.0.2.7 was rejected due to listing in Spamhaus SBL.", "iCloud", "ip", "provider-blocked"},
	{icloud, "550 5.7.1 Your email was rejected due to having a domain present in the Spamhaus DBL", "iCloud", "content", "provider-spam"},
	{icloud, "554 5.7.1 Your message was rejected due to asso.test's DMARC policy.", "iCloud", "auth", "provider-auth"},
	{icloud, "550 5.7.1 [CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137", "iCloud", "content", "provider-spam"},
	{icloud, "554 5.7.1 [HM08] Message rejected due to local policy.", "iCloud", "content", "provider-spam"},
	{icloud, "421 4.7.1 Messages to ann@icloud.com deferred due to excessive volume. Try again later", "iCloud", "rate", "relay-why-busy"},
	{icloud, "550 5.1.1 <ann@icloud.com>: inactive email address", "iCloud", "recipient", "relay-why-disabled"},
	{icloud, "550 5.1.1 <ann@icloud.com>: user does not exist", "iCloud", "recipient", "relay-why-no-such-user"},
	{icloud, "552 5.2.2 <ann@icloud.com>: user is over quota", "iCloud", "full", "relay-why-full"},

	{gmx, "554 gmx.net (mxgmx104) Nemesis ESMTP Service not available No SMTP service IP address is block listed. For explanation visit https://postmaster.gmx.net/en/case?c=r0201", "GMX", "ip", "provider-blocked"},
	{gmx, "554 gmx.net (mxgmx116) Nemesis ESMTP Service not available No SMTP service Bad DNS PTR resource record.", "GMX", "ip", "provider-nameless"},
	{gmx, "421 Rate limit reached. Please try again later", "GMX", "rate", "relay-why-busy"},
	{gmx, "550 <ann@gmx.net>: Reject due to SPF policy. The originating IP of the message is not permitted by the domain owner", "GMX", "auth", "provider-auth"},
	{gmx, "554 Transaction failed Reject due to policy restrictions.", "GMX", "content", "provider-spam"},
	{gmx, "552 Requested mail action aborted: exceeded storage allocation", "GMX", "full", "relay-why-full"},
	{gmx, "550 Requested action not taken: mailbox unavailable", "GMX", "recipient", "relay-why-no-such-user"},

	{tonline, "554 IP=192.0.2.7 - A problem occurred. (Ask your postmaster for help or to contact tosa@rx.t-online.de to clarify.) (BL)", "T-Online", "ip", "provider-blocked"},
	{tonline, "552 5.2.2 Over STORAGE quota", "T-Online", "full", "relay-why-full"},

	{pphost, "554 Blocked - see https://ipcheck.proofpoint.com/?ip=192.0.2.7", "Proofpoint", "ip", "provider-blocked"},
	{pphost, "452 4.3.2 Too many connections from 192.0.2.7, rate limit", "Proofpoint", "rate", "relay-why-busy"},
	{mimecast, "451 Internal resource temporarily unavailable - https://community.mimecast.com/docs/DOC-1369#451", "Mimecast", "greylist", "provider-grey"},
	{mimecast, "550 Rejected by header based Anti-Spoofing policy: ann@asso.test", "Mimecast", "recipient", "provider-house-rule"},
	{mimecast, "550 Administrative prohibition - envelope blocked", "Mimecast", "recipient", "provider-house-rule"},
	{mimecast, "550 DMARC Sender Invalid - envelope rejected", "Mimecast", "auth", "provider-auth"},
	{barra, "550 permanent failure for one or more recipients (ann@asso.fr:blocked)", "Barracuda", "recipient", "provider-house-rule"},
	{gandi, "550 5.7.1 Reject for policy reason RULE1_1. See http://postmaster.gandi.net", "Gandi", "content", "provider-attachment"},
	{gandi, "550 5.7.1 Reject for policy reason RULE3_2. See http://postmaster.gandi.net", "Gandi", "content", "provider-spam"},

	{other, "554 5.7.1 Service unavailable; Sender address [ann@asso.test] blocked using dbl.spamhaus.org", "Spamhaus DBL", "domain", "provider-domain"},
	{other, "550 5.7.1 Service unavailable, client [192.0.2.7] blocked: https://www.spamhaus.org/pbl/query/PBL1", "Spamhaus PBL", "ip", "provider-listed"},
	{other, "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org; https://www.spamhaus.org/sbl/query/SBLCSS", "Spamhaus", "ip", "provider-listed"},
	{other, "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using bl.spamcop.net", "SpamCop", "ip", "provider-listed"},
	{other, "554 Service unavailable; Client host [d2.barracudanetworks.com] blocked using Barracuda Reputation; http://www.barracudanetworks.com/reputation/?r=1&ip=192.0.2.7", "Barracuda", "ip", "provider-listed"},
	{other, "550 5.7.1 Your IP was blocked. BRTS", "Barracuda", "ip", "provider-listed"},
	{other, "554 5.3.2 192.0.2.7 is listed on Cloudmark CSI-Global. Please visit https://csi.cloudmark.com/en/reset", "Cloudmark", "ip", "provider-listed"},
	{other, "550 5.7.0 Local Policy Violation, see https://ipcheck.proofpoint.com", "Proofpoint", "ip", "provider-listed"},
	{other, "554 5.7.1 Client host [192.0.2.7] blocked using combined.mail.abusix.zone", "Abusix", "ip", "provider-listed"},
	{other, "550 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using Trend Micro RBL+. Please see http://www.mail-abuse.com/", "Trend Micro", "ip", "provider-listed"},
	{other, "554 Your access to this mail system has been rejected due to the sending MTA's poor reputation. See www.senderbase.org", "Talos (Cisco)", "ip", "provider-listed"},
	{other, "550 5.7.1 blocked using dnsbl-1.uceprotect.net", "UCEPROTECT", "ip", "provider-listed"},
	{other, "550 5.7.1 blocked using psbl.surriel.com", "PSBL", "ip", "provider-listed"},
	{other, "550 5.7.1 Blacklisted URL in message. See multi.surbl.org", "SURBL", "content", "provider-spam"},
	{other, "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using ix.dnsbl.manitu.net", "", "ip", "provider-blocked"},

	{other, "450 4.2.0 <ann@asso.test>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/asso.test.html", "", "greylist", "provider-grey"},
	{other, "451 4.7.1 Greylisting in action, please come back in 00:08:20", "", "greylist", "provider-grey"},
	{other, "451 4.7.1 You are new here, please try again in 5 minutes", "", "greylist", "provider-grey"},
	{other, "452 4.2.2 over", "", "full", "relay-why-full"},
	{other, "552 5.2.2 <ann@asso.test>: user has exceeded", "", "full", "relay-why-full"},
	{other, "552 sorry, that recipient's mailbox is over quota (#5.2.2)", "", "full", "relay-why-full"},
	{other, "550 Mailbox is full / Blocks limit exceeded / Inode limit exceeded: quota exceeded", "", "full", "relay-why-full"},
	{other, "550 5.7.25 Reverse DNS validation failed", "", "ip", "provider-nameless"},
	{other, "450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.7]", "", "ip", "provider-nameless"},
	{other, "550 5.7.23 SPF validation failed", "", "auth", "provider-auth"},
	{other, "550 5.7.1 rejected by DMARC policy for asso.test", "", "auth", "provider-auth"},
	{other, "550 SPF: 192.0.2.7 is not allowed to send mail from asso.test", "", "auth", "provider-auth"},
	{other, "530 5.7.0 Must issue a STARTTLS command first", "", "tls", "relay-why-tls"},
	{other, "552 5.3.4 Message too big", "", "content", "relay-why-too-big"},
	{other, "552 Message size exceeds fixed maximum message size", "", "content", "relay-why-too-big"},
	{other, "421 4.7.0 Error: too many connections from 192.0.2.7", "", "rate", "relay-why-busy"},
	{other, "550 5.2.1 Mailbox not for you", "", "recipient", "relay-why-disabled"},
	{other, "554 5.1.1 This account has been disabled or discontinued", "", "recipient", "relay-why-disabled"},
	{other, "550 5.1.1 <ann@asso.test>: Recipient address rejected: User unknown in virtual mailbox table", "", "recipient", "relay-why-no-such-user"},
	{other, "550 No such user here", "", "recipient", "relay-why-no-such-user"},
	{other, "554 5.6.1 Attachment type not allowed: photos.exe", "", "content", "provider-attachment"},
	{other, "554 5.7.1 Spam message rejected", "", "content", "provider-spam"},
	{other, "550 High probability of spam: classified as spam", "", "content", "provider-spam"},
	{other, "554 5.7.1 Your IP address has a poor reputation here", "", "ip", "provider-blocked"},
	{other, "550 Sender verify failed", "", "sender", "provider-sender"},
}

// ask is Recognise as the relay asks it.
func ask(host, reply string) (*entry, Diagnosis, bool) {
	code, enhanced, text := cut(reply)
	e, _ := find(host, code, enhanced, text)
	d, ok := Recognise(host, code, enhanced, text)
	return e, d, ok
}

func cut(reply string) (code int, enhanced, text string) {
	first, text, _ := strings.Cut(reply, " ")
	code, _ = strconv.Atoi(first)
	word, _, _ := strings.Cut(text, " ")
	if !isEnhanced(word) {
		word = fmt.Sprintf("%d.0.0", code/100)
	}
	return code, word, text
}

func TestEachKnownRefusalIsUnderstood(t *testing.T) {
	t.Parallel()
	hit := map[*entry]bool{}
	for _, c := range replies {
		e, d, ok := ask(c.host, c.reply)
		if !ok || d.Provider != c.provider || d.Scope != c.scope || d.Meaning != c.meaning {
			t.Errorf("%s: %s\n got %q %s %s (%v)\nwant %q %s %s", c.host, c.reply, d.Provider, d.Scope, d.Meaning, ok, c.provider, c.scope, c.meaning)
		}
		hit[e] = true
	}
	for i, e := range known().Refusal {
		if !hit[e] {
			t.Errorf("no reply of the test is the refusal %d: %s%s %q %q", i+1, e.By, e.Name, e.Enhanced, e.Has)
		}
	}
}

func TestRepliesThatMeanSomethingElseAreLeftAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ host, reply, not string }{
		{other, `550 5.7.1 Message rejected: subject "mailbox full, quota exceeded" is not liked`, "full"},
		{other, `550 5.7.1 Message rejected: subject 'Re: greylisting' is not liked`, "greylist"},
		{other, "450 4.1.1 <greylisted@asso.test>: Recipient address rejected: unverified address", "greylist"},
		{other, "550 5.1.1 spamhaus@asso.test: no such user", "ip"},
		{other, "550 5.1.1 <quota-exceeded@asso.test>: Recipient address rejected: User unknown", "full"},
		{other, "250 2.0.0 queued, greylisting passed", "greylist"},
		{other, "550 5.7.1 S3150", "ip"},                    // not Microsoft's
		{"mx.notgoogle.com", "421 4.7.28 whatever", "rate"}, // nor Google's
		{other, "550 5.7.1 Message refused: it talks of a full mailbox", "full"},
		{other, "451 4.3.0 Temporary lookup failure, please try again later", "greylist"},
		{other, "451 4.3.2 System is shutting down, try again in a while", "greylist"},
		{other, "550 5.7.1 relaying denied", "ip"},
		{other, `554 5.7.1 rejected, your text had "blocked using zen.spamhaus.org" in it`, "ip"},
		{gmail, "421 4.3.0 Temporary System Problem. Try again later. - gsmtp", "greylist"},
	} {
		if _, d, ok := ask(c.host, c.reply); ok && d.Scope == c.not {
			t.Errorf("%s: %s: taken for %s (%s, %s)", c.host, c.reply, d.Scope, d.Provider, d.Meaning)
		}
	}
	for _, reply := range []string{"550 5.0.0 no", "451 4.3.0 Temporary lookup failure", "354 go on", "250 OK", "550", "421 4.4.2 timeout", "999 quota exceeded"} {
		if _, d, ok := ask(other, reply); ok {
			t.Errorf("%s: got %+v", reply, d)
		}
	}
}

func TestWaitsAreThoseTheReplyNames(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]time.Duration{
		"451 4.7.1 Greylisting in action, please come back in 00:08:20": 500 * time.Second,
		"450 4.7.1 Greylisted for 5 minutes":                            5 * time.Minute,
		"450 4.2.0 Greylisted for 300 seconds":                          5 * time.Minute,
		"450 4.2.0 Greylisted, try again in 5 s":                        time.Minute,
		"450 4.2.0 Greylisted for 99999 hours":                          24 * time.Hour,
		"450 4.2.0 Greylisted":                                          5 * time.Minute,
		"450 4.2.0 Greylisted by http://far.test/in 7 elephants":        5 * time.Minute,
		"421 4.7.0 too many connections, wait 120 seconds":              2 * time.Minute,
	} {
		if _, d, ok := ask(other, reply); !ok || d.Wait != want {
			t.Errorf("%s: wait %v, want %v", reply, d.Wait, want)
		}
	}
}

func TestWhatPassesByItselfIsTemporary(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, reply string
		want        bool
	}{
		{free, "550 Too many spams from your IP", true},
		{orange, "550 ME Adresse IP source bloquee OFR006_102", true},
		{gmail, "421 4.7.28 unusual rate", true},
		{outlook, "550 5.7.1 S3150", false},
		{yahoo, "421 4.7.1 [TS03] All messages permanently deferred", true}, // as its code says
	} {
		if _, d, ok := ask(c.host, c.reply); !ok || d.Temporary != c.want {
			t.Errorf("%s: %+v", c.reply, d)
		}
	}
}

func TestHostileRepliesAreBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x\x00\r\n\x1b[2J\u202e ", 10_000)
	for _, text := range []string{long, long + "quota exceeded", strings.Repeat("mailbox quota ", 100_000), strings.Repeat("'\"<", 50_000), "\xff\xfe" + strings.Repeat("é", 5000), strings.Repeat("spam (", 5000)} {
		start := time.Now()
		for _, host := range []string{gmail, other, "", strings.Repeat("a.", 50_000)} {
			Recognise(host, 550, text[:min(len(text), 5)], text)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("%.20q took %v", text, d)
		}
	}
	if _, d, ok := ask(other, "552 "+strings.Repeat("x", maxText)+" quota exceeded"); ok {
		t.Errorf("the end of an endless reply was read: %+v", d)
	}
}

func TestEverySentenceOfTheFileExists(t *testing.T) {
	t.Parallel()
	scopes := map[string]bool{"ip": true, "domain": true, "sender": true, "recipient": true, "content": true, "rate": true, "greylist": true, "full": true, "tls": true, "auth": true}
	for i, e := range known().Refusal {
		if !scopes[e.Scope] {
			t.Errorf("refusal %d: scope %q", i+1, e.Scope)
		}
		if e.Wait < 0 || e.Wait > 24*time.Hour {
			t.Errorf("refusal %d: waits %v", i+1, e.Wait)
		}
		for _, id := range []string{e.Meaning, e.Advice} {
			for _, lang := range locale.Langs {
				got := locale.For(lang).T(id, "Address", "ann@asso.test", "Domain", "asso.test", "Provider", "Free", "Form", "x", "IP", "192.0.2.7", "Host", "mail.home.test", "Server", "mx.asso.test", "Reply", "no")
				if id != "" && (got == id || strings.Contains(got, "<no value>")) || e.Meaning == "" {
					t.Errorf("refusal %d: %s in %s is %q", i+1, id, lang, got)
				}
			}
		}
		if e.Meaning == "provider-listed" && e.Name == "" {
			t.Errorf("refusal %d: the list has no name", i+1)
		}
		for _, h := range e.Has {
			if strings.ToLower(h) != h || plain(h) != h {
				t.Errorf("refusal %d: %q can never be in a reply, which reads %q", i+1, h, plain(h))
			}
		}
		form := e.Form
		if form == "" && e.house != nil {
			form = e.house.Form
		}
		if form != "" && !strings.HasPrefix(form, "https://") && !strings.HasPrefix(form, "mailto:") && form != "http://postmaster.free.fr/" {
			t.Errorf("refusal %d: form %q", i+1, form)
		}
		if (e.Scope == "ip" || e.Scope == "domain" || e.Scope == "auth") && e.Advice == "" {
			t.Errorf("refusal %d: the admin is not told what to do", i+1)
		}
	}
}

func TestTheFileIsCheckedWhenItIsRead(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]string{
		"an unknown key":      "[[refusal]]\nhas=[\"x\"]\ncolour=\"red\"",
		"an unknown provider": "[[refusal]]\nby=\"nobody\"\nhas=[\"x\"]",
		"everything":          "[[refusal]]\nclass=5",
		"a bad expression":    "[[refusal]]\nhas=[\"x\"]\ntext=\"(\"",
		"a bad code":          "[[refusal]]\nenhanced=[\"5.7.x\"]",
		"no toml":             "[[",
	} {
		if _, err := read(s); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestTheAdminGetsOneLetterWithWhatToDo(t *testing.T) {
	t.Parallel()
	c := Case{Host: "mail.home.test", IP: "192.0.2.7", Domain: "home.test", Server: orange, Reply: "550 Adresse IP source bloquee OFR006_102 {{.Domain}} <b>"}
	_, d, _ := ask(c.Server, c.Reply)
	subject, text := Letter(d, c)
	for lang, want := range map[string]string{"fr": "Orange refuse notre courrier", "en": "Orange refuses our mail"} {
		p := locale.For(lang)
		if got := p.Text(subject); got != want {
			t.Errorf("subject %q, want %q", got, want)
		}
		var all string
		for _, s := range text {
			all += p.Text(s) + "\n"
		}
		for _, want := range []string{"abuse@orange.fr", "192.0.2.7", "mail.home.test", "postmaster@home.test", "OFR006_102 {{.Domain}} <b>", "Avec nos remerciements"} {
			if !strings.Contains(all, want) {
				t.Errorf("%s: no %q in\n%s", lang, want, all)
			}
		}
		if strings.Contains(all, "mailto:") || strings.Contains(all, "<no value>") || !utf8.ValidString(all) {
			t.Errorf("%s:\n%s", lang, all)
		}
	}
	_, d, _ = ask(other, "550 5.7.25 no reverse name")
	subject, text = Letter(d, c)
	if got := locale.For("en").Text(subject); got != orange+" refuses our mail" {
		t.Errorf("nobody's name: %q", got)
	}
	for _, s := range text {
		if strings.HasPrefix(s.ID, "provider-letter-form") || strings.HasPrefix(s.ID, "provider-letter-french") {
			t.Errorf("a form where there is none: %s", s.ID)
		}
	}
}

func FuzzRecognise(f *testing.F) {
	for _, c := range replies {
		code, enhanced, text := cut(c.reply)
		f.Add(c.host, code, enhanced, text)
	}
	f.Add("", 550, "5..", "'\"<\xff")
	f.Fuzz(func(t *testing.T, host string, code int, enhanced, text string) {
		d, ok := Recognise(host, code, enhanced, text)
		again, _ := Recognise(host, code, enhanced, text)
		if ok != (d.Meaning != "") || d != again || ok && (code < 400 || code > 599) || d.Wait < 0 || d.Wait > 24*time.Hour {
			t.Errorf("%d %s %q: %+v", code, enhanced, text, d)
		}
	})
}
