import time
from panel.services import estate, sync
from panel.simulators.jellyfin import Jellyfin
from panel.models import *
def test_x(db):
    j=Jellyfin("Big", libraries=[("Films","movies"),("Shows","tvshows"),("Music","music")])
    for n in range(10000): j.add_user(f"user{n}", "x", libraries=["Films","Shows","Music"])
    with j.running() as url:
        us="".join(f"- name: user{n}\n  email: user{n}@example.test\n  payments: [{{plan: P, start: 2026-01-01, end: 2026-12-31}}]\n" for n in range(5000))
        text=f"servers: [{{name: Big, platform: jellyfin, url: '{url}', token: {j.api_key}}}]\nplans: [{{name: P, default: true}}]\nusers:\n"+us
        t=time.time(); e=estate.load(text,{}); print("load",time.time()-t)
        t=time.time(); print(estate.apply(e)); db.session.commit(); print("apply",time.time()-t)
        t=time.time(); print(estate.apply(e)); db.session.commit(); print("again",time.time()-t)
        t=time.time(); import requests; requests.get(url+"/Users",headers={"Authorization":f'MediaBrowser Token="{j.api_key}"'}); print("sim alone",time.time()-t)
        for _ in range(2):
            db.session.expunge_all()
            t=time.time(); print(sync.sync_server(db.session.query(Server).one())); print("sync",time.time()-t)
    assert 0
