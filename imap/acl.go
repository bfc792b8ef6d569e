package imap

var aclCommands = commands{}
var aclCapabilities = []string{}
