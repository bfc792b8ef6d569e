package imap

var quotaCommands = commands{}
var quotaCapabilities = []string{}
