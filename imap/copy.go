package imap

var copyCommands = commands{}
var copyCapabilities = []string{}
