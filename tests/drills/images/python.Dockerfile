# Stands in for python:3.11-slim-bookworm: Debian 12's Python, and the wheels and packages that our lists name in place
# of registries, since a drill's network leads nowhere.
FROM wallport-drill:servers
RUN ln -s /usr/bin/python3 /usr/local/bin/python
COPY wheels /wheels
COPY npm /root/.npm
RUN mv /root/.npm/npmrc /root/.npmrc
RUN printf '[global]\nno-index = true\nfind-links = /wheels\n' > /etc/pip.conf
CMD ["python"]
