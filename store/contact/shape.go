package contact

import "maps"

// The shapes of RFC 9553 §2, in its order.

var (
	truths    = mapOf(isTrue)
	preferred = between(1, 100)
	count     = between(0, 1<<53-1)
)

// with is properties and those that many objects have: contexts, pref, label.
func with(properties map[string]shape) map[string]shape {
	all := map[string]shape{"contexts": truths, "pref": preferred, "label": isText}
	maps.Copy(all, properties)
	return all
}

// resource is RFC 9553 §1.4.4: something at a uri.
func resource(kind string, more map[string]shape) shape {
	all := with(map[string]shape{"uri!": isText, "kind": isText, "mediaType": isText})
	maps.Copy(all, more)
	return object(kind, all)
}

var component = map[string]shape{"value!": isText, "kind!": isText, "phonetic": isText}

var nameShape = object("Name", map[string]shape{
	"components": listOf(object("NameComponent", component)), "isOrdered": isBool, "defaultSeparator": isText, "full": isText,
	"sortAs": mapOf(isText), "phoneticScript": isText, "phoneticSystem": isText,
})

var addressShape = object("Address", with(map[string]shape{
	"components": listOf(object("AddressComponent", component)), "isOrdered": isBool, "countryCode": isText, "coordinates": isText, "timeZone": isText,
	"full": isText, "defaultSeparator": isText, "phoneticScript": isText, "phoneticSystem": isText,
}))

var dateShape = oneOf(
	object("Timestamp", map[string]shape{"utc!": isTime}),
	object("PartialDate", map[string]shape{"year": count, "month": between(1, 12), "day": between(1, 31), "calendarScale": isText}),
)

// mediaShape has a blobId where others have a uri (RFC 9610 §3).
var mediaShape = oneOf(
	resource("Media", map[string]shape{"kind!": isText, "blobId": isText}),
	object("Media", with(map[string]shape{"blobId!": isText, "kind!": isText, "mediaType": isText})),
)

var cardShape = object("Card", map[string]shape{
	"version!": among("1.0", "2.0"), // RFC 9982 differs in that a uid is not required; we always have one
	"created":  isTime, "kind": isText, "language": isText, "members": truths, "prodId": isText,
	"relatedTo": mapOf(object("Relation", map[string]shape{"relation": truths})),
	"uid!":      uidShape, "updated": isTime,

	"name":          nameShape,
	"nicknames":     byID(object("Nickname", with(map[string]shape{"name!": isText}))),
	"organizations": byID(object("Organization", with(map[string]shape{"name": isText, "sortAs": isText, "units": listOf(object("OrgUnit", map[string]shape{"name!": isText, "sortAs": isText}))}))),
	"speakToAs":     object("SpeakToAs", map[string]shape{"grammaticalGender": isText, "pronouns": byID(object("Pronouns", with(map[string]shape{"pronouns!": isText})))}),
	"titles":        byID(object("Title", map[string]shape{"name!": isText, "kind": isText, "organizationId": isText})),

	"emails":             byID(object("EmailAddress", with(map[string]shape{"address!": isText}))),
	"onlineServices":     byID(object("OnlineService", with(map[string]shape{"service": isText, "uri": isText, "user": isText}))),
	"phones":             byID(object("Phone", with(map[string]shape{"number!": isText, "features": truths}))),
	"preferredLanguages": byID(object("LanguagePref", with(map[string]shape{"language!": isText}))),

	"calendars":           byID(resource("Calendar", nil)),
	"schedulingAddresses": byID(object("SchedulingAddress", with(map[string]shape{"uri!": isText}))),
	"addresses":           byID(addressShape),
	"cryptoKeys":          byID(resource("CryptoKey", nil)),
	"directories":         byID(resource("Directory", map[string]shape{"listAs": between(1, 1<<53-1)})),
	"links":               byID(resource("Link", nil)),
	"media":               byID(mediaShape),

	"localizations": mapOf(mapOf(func(any, []string) *ShapeError { return nil })),
	"anniversaries": byID(object("Anniversary", map[string]shape{"kind!": isText, "date!": dateShape, "place": addressShape})),
	"keywords":      truths,
	"notes":         byID(object("Note", map[string]shape{"note!": isText, "created": isTime, "author": object("Author", map[string]shape{"name": isText, "uri": isText})})),
	"personalInfo":  byID(object("PersonalInfo", map[string]shape{"kind!": isText, "value!": isText, "level": isText, "listAs": between(1, 1<<53-1), "label": isText})),
})

// uidShape is text that fits into an index of the database.
func uidShape(v any, path []string) *ShapeError {
	if s, ok := v.(string); !ok || s == "" || len(s) > 1024 {
		return wrong(path, "it is text of 1 to 1024 octets")
	}
	return nil
}
