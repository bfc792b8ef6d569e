# Evolution's mail without its windows: Camel, the library of evolution-data-server
# that Evolution talks IMAP with, told what to do line by line.
import sys
import threading

import gi

gi.require_version("Camel", "1.2")
from gi.repository import Camel, GLib

home, port, user, password = sys.argv[1:]


class Session(Camel.Session):
    def do_authenticate_sync(self, service, mechanism, cancellable):
        service.set_password(password)
        result = service.authenticate_sync(mechanism, cancellable)
        result = result[0] if isinstance(result, tuple) else result
        if result != Camel.AuthenticationResult.ACCEPTED:
            raise GLib.Error("the password is refused")
        return True

    def do_trust_prompt(self, service, certificate, errors):
        return Camel.CertTrust.TEMPORARY


# Camel begins to IDLE from the main loop.
threading.Thread(target=GLib.MainLoop().run, daemon=True).start()
Camel.init(home, True)
Camel.provider_init()
session = Session(user_data_dir=home + "/data", user_cache_dir=home + "/cache")
session.set_online(True)
store = session.add_service("home", "imapx", Camel.ProviderType.STORE)
settings = store.ref_settings()
for name, value in {
    "host": "localhost",
    "port": int(port),
    "user": user,
    "auth-mechanism": "PLAIN",
    "security-method": Camel.NetworkSecurityMethod.STARTTLS_ON_STANDARD_PORT,
    "use-idle": True,
    "use-qresync": True,
    "stay-synchronized": True,
}.items():
    settings.set_property(name, value)
store.set_online_sync(True, None)
store.connect_sync(None)
store.get_folder_info_sync(None, Camel.StoreGetFolderInfoFlags.RECURSIVE, None)
inbox = None

# Answers begin with "> ", and end with a dot; the rest is Camel's own log.


def mails(subject=None):
    for uid in inbox.get_uids():
        info = inbox.get_message_info(uid)
        if info and (subject is None or info.get_subject() == subject):
            yield uid, info


# Standard output is the library's.
answers = open(3, "w", encoding="utf-8")
for line in sys.stdin:
    do, _, what = line.rstrip("\n").partition(" ")
    if do == "open":
        inbox = store.get_folder_sync(what, 0, None)
        inbox.refresh_info_sync(None)
    elif do == "list":
        for uid, info in mails():
            flags = info.get_flags()
            print("> " + info.get_subject()
                  + (" \\Seen" if flags & Camel.MessageFlags.SEEN else "")
                  + (" \\Flagged" if flags & Camel.MessageFlags.FLAGGED else ""), file=answers)
    elif do == "read":
        for uid, info in mails(what):
            raw = Camel.StreamMem.new()
            inbox.get_message_sync(uid, None).write_to_stream_sync(raw, None)
            print("> %d" % raw.get_byte_array().count(b"ligne"), file=answers)
    elif do in ("seen", "flagged", "deleted"):
        bit = getattr(Camel.MessageFlags, do.upper())
        for uid, info in mails(what):
            info.set_flags(bit, bit)
    elif do == "sync":
        inbox.synchronize_sync(True, None)
    print(".", file=answers, flush=True)
