// Text in the charsets mail still comes in, as base64: Node reads them and cannot write them. Data only.

export const foreignTexts: readonly { readonly charset: string; readonly subject: string; readonly text: string }[] = [
  {
    charset: 'iso-2022-jp',
    subject: 'GyRCMnE1RCROO3FOQSRyQXckaiReJDkbKEI=',
    text: 'GyRCJCpIaCRsJDUkXiRHJDkhIxsoQg0KGyRCTEBGfCROMnE1RCROO3FOQSRyRTpJVSQkJD8kNyReJDkhIzV+RVQkRyQqMnEkJCQ3JF4kNyRnJCYhIxsoQg0K',
  },
  {
    charset: 'windows-1252',
    subject: 'Q2Fm6SCTWvxyaWNolCCWIDIwIIA=',
    text: 'R3L832UgYXVzIFr8cmljaDogZGFzIENhZukgbmltbXQgMjAggC4NCsAgYmllbnT0dCCWIJNab+uUDQo=',
  },
  {
    charset: 'koi8-r',
    subject: '896j1CDawSDPy9TRwtLY',
    text: '5M/C0tnKIMTFztgsDQrXzyDXzM/Wxc7JySDT3qPUINrBIM/L1NHC0tguIO/QzMHUydTFLCDQz9bBzNXK09TBLCDEzyDQ0dTOycPZLg0K',
  },
  {
    charset: 'gb2312',
    subject: 'us/NrNLRvq28xLP2',
    text: 'xPq6wywNCrrPzazS0b6tvMSz9izH69TasbG+qbXEsOy5q8rSsunK1aGjDQo=',
  },
  {
    charset: 'shift_jis',
    subject: 'kL+LgY+RgsyMjw==',
    text: 'gqKCwoLggqiQophigsmCyILBgsSCqILogtyCt4FCDQqQv4uBj5GCzIyPgsWCsphBl42CooK9grWC3IK3gUKTjIuejniTWA0K',
  },
]
