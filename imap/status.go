package imap

var statusCommands = commands{}
var statusCapabilities = []string{}
