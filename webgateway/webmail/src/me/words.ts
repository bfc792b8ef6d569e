import { speak } from '../i18n';

export const { t } = speak({
  fr: {
    me: 'Moi', contacts: 'Contacts', contactsAbout: 'Les personnes à qui vous écrivez.', account: 'Mon compte', accountAbout: 'Mot de passe, place occupée, nouvelles, appareils connectés, export.',
    devices: 'Téléphone, tablette, programme de courrier', devicesAbout: 'Comment y recevoir ce courrier.', size: 'Taille du texte', normal: 'Normale', large: 'Grande', larger: 'Plus grande', largest: 'Très grande', signOut: 'Se déconnecter',
  },
  en: {
    me: 'Me', contacts: 'Contacts', contactsAbout: 'The people you write to.', account: 'My account', accountAbout: 'Password, space used, news, signed-in devices, export.',
    devices: 'Phone, tablet, mail program', devicesAbout: 'How to receive this mail there.', size: 'Size of the text', normal: 'Normal', large: 'Large', larger: 'Larger', largest: 'Very large', signOut: 'Sign out',
  },
});
