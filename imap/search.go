package imap

var searchCommands = commands{}
var searchCapabilities = []string{}
