package imap

var idleCommands = commands{}
var idleCapabilities = []string{}
