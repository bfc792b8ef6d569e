package mail

import "io"

// Result is what a method of proof found, in the words of RFC 8601 §2.7.
type Result string

const (
	None      Result = "none"      // nothing to look at
	Pass      Result = "pass"      //
	Fail      Result = "fail"      //
	SoftFail  Result = "softfail"  // SPF only
	Neutral   Result = "neutral"   // looked at, says nothing
	PolicyNo  Result = "policy"    // valid, but not by our rules: rsa-sha1, a short key
	TempError Result = "temperror" // could not be found out; another day it may
	PermError Result = "permerror" // what was published cannot be read
)

// Demand is what a domain asks to be done with mail that only claims to be
// from it (the p, sp and np tags of DMARC).
type Demand string

const (
	DemandNone       Demand = "none"
	DemandQuarantine Demand = "quarantine"
	DemandReject     Demand = "reject"
)

// Verdict is what is known of a mail's origin: the evidence, not what to do
// with it (delivery decides that). The zero Verdict is a mail nobody judged.
type Verdict struct {
	MailFrom SPFResult // of the envelope sender; with the null sender, of the EHLO name
	Helo     SPFResult // of the EHLO name
	DKIM     []DKIMResult
	ARC      ARCResult
	DMARC    DMARCResult
}

// SPFResult is RFC 7208's answer for one identity.
type SPFResult struct {
	Result Result // "" is None
	Domain string // the identity's, lower case, A-labels
	Sender string // the whole identity that was checked
	Reason string `json:",omitempty"` // for the operator
}

// DKIMResult is what became of one signature.
type DKIMResult struct {
	Result    Result
	Domain    string // d=, lower case, A-labels
	Selector  string // s=
	Identity  string `json:",omitempty"` // i=
	Algorithm string `json:",omitempty"` // a=
	Signature string `json:",omitempty"` // the first 8 characters of b= (RFC 6008)
	// Partial: l= leaves an end of the body unsigned, so that the signature
	// proves nothing about what a person reads. It never counts as aligned.
	Partial bool   `json:",omitempty"`
	Testing bool   `json:",omitempty"` // t=y in the key
	Reason  string `json:",omitempty"`
}

// ARCResult is what became of the chain (RFC 8617).
type ARCResult struct {
	Result  Result // None, Pass, Fail, TempError
	Sealers []string
	// Origin is what the oldest trusted sealer saw arrive, when the chain
	// passes and every sealer in it is trusted; nil otherwise.
	Origin *Verdict `json:",omitempty"`
	Reason string   `json:",omitempty"`
}

// DMARCResult is RFC 9989's answer for the author's domain.
type DMARCResult struct {
	Result Result
	From   string // the author's domain, lower case, A-labels; "" when there is not exactly one
	Org    string // its organisational domain
	Policy *DMARCPolicy
	SPF    bool   // SPF passes and is aligned
	DKIM   bool   // a signature passes and is aligned
	Reason string `json:",omitempty"`
}

// DMARCPolicy is the record that was found, and what follows from it.
type DMARCPolicy struct {
	Domain  string // where the record stands
	Record  string // as published
	Demand  Demand // what holds for this author's domain, after sp, np and t
	P       Demand
	SP, NP  Demand // "" when not said
	Testing bool   // t=y, or RFC 7489's pct=0
	Strict  struct{ SPF, DKIM bool }
	Reports []string // rua: addresses for aggregate reports, without mailto:
}

// Judging is a mail being judged while it streams: the whole of it is written,
// header included. Write never fails and never waits for DNS for long; what
// cannot be judged says so in the Verdict.
type Judging interface {
	io.Writer
	// Verdict is called once, after the last Write, and takes seconds at most.
	Verdict() *Verdict
}
